"""Committed items in reading order: what readers see, without waiting for a writer's commit."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from moto.dynamodb.models.dynamo_type import Item
from moto.dynamodb.models.table import SecondaryIndex, Table

from local_runtime.store.values import NotAKey, SortKey, encoded, key_value, plain


@dataclass(frozen=True, slots=True)
class Image:
    """One item as it was committed; never changed afterwards.

    `attributes` is its DynamoDB JSON, `body` the same as bytes, `size` DynamoDB's item size in bytes.
    """

    item: Item
    attributes: dict[str, Any]
    body: bytes
    size: int

    @classmethod
    def of(cls, item: Item) -> Image:
        attributes = plain(item.attrs)
        return cls(item, attributes, encoded(attributes), item.size())

    def narrowed(self, names: set[str]) -> Image:
        """The image with some attributes only, as an index projects it; it keeps the size of the whole item."""
        item = Item(self.item.hash_key, self.item.range_key, {})
        item.attrs.update((name, value) for name, value in self.item.attrs.items() if name in names)
        attributes = {name: value for name, value in self.attributes.items() if name in names}
        return Image(item, attributes, encoded(attributes), self.size)


class Ordering:
    """Images sorted by a tuple of key attributes: the table itself or one of its indexes."""

    def __init__(self, attributes: list[tuple[str, str]], narrow: Callable[[Image], Image] | None = None):
        self.attributes = attributes
        self.keys: list[SortKey] = []
        self.images: dict[SortKey, Image] = {}
        self._narrow = narrow

    def key_of(self, item: Item) -> SortKey | None:
        """Its place in this order, or None when it lacks a key attribute, as a sparse index leaves it out."""
        try:
            return tuple(key_value(item.attrs.get(name), kind) for name, kind in self.attributes)
        except NotAKey:
            return None

    def replace(self, old: Image | None, new: Image | None) -> None:
        old_key = self.key_of(old.item) if old else None
        new_key = self.key_of(new.item) if new else None
        if old_key is not None and old_key != new_key:
            del self.keys[bisect_left(self.keys, old_key)]
            del self.images[old_key]
        if new is not None and new_key is not None:
            if new_key not in self.images:
                insort(self.keys, new_key)
            self.images[new_key] = self._narrow(new) if self._narrow else new

    def fill(self, images: Iterable[Image]) -> None:
        for image in images:
            key = self.key_of(image.item)
            if key is not None:
                self.images[key] = self._narrow(image) if self._narrow else image
        self.keys = sorted(self.images)

    def span(self, low: SortKey, high: SortKey) -> tuple[int, int]:
        """Positions [start, end) of the keys that begin with anything from `low` to `high`, both included."""
        start = bisect_left(self.keys, low, key=lambda key: key[: len(low)])
        end = bisect_right(self.keys, high, key=lambda key: key[: len(high)])
        return start, end

    def prefix_span(self, head: SortKey, prefix: Any) -> tuple[int, int]:
        """Positions [start, end) of the keys that begin with `head` and go on with a value starting with `prefix`."""
        wanted, place, length = (*head, prefix), len(head), len(prefix)

        def cut(key: SortKey) -> SortKey:
            return (*key[:place], key[place][:length])

        return bisect_left(self.keys, wanted, key=cut), bisect_right(self.keys, wanted, key=cut)


class Shelf:
    """One table's committed items: in table order and in the order of every single-attribute index."""

    def __init__(self, table: Table):
        self.table = table
        types = {definition["AttributeName"]: definition["AttributeType"] for definition in table.attr}
        self.main = Ordering([(name, types[name]) for name in table.table_key_attrs])
        self.indexes = {
            index.name: Ordering([(name, types[name]) for name in names], _narrowing(index))
            for index in table.all_indexes()
            if (names := _sort_attributes(table, index)) is not None and types.keys() >= set(names)
        }

    def fill(self, images: list[Image]) -> None:
        for ordering in (self.main, *self.indexes.values()):
            ordering.fill(images)

    def replace(self, old: Image | None, new: Image | None) -> None:
        for ordering in (self.main, *self.indexes.values()):
            ordering.replace(old, new)

    def __len__(self) -> int:
        return len(self.main.keys)


def _sort_attributes(table: Table, index: SecondaryIndex) -> list[str] | None:
    """The attributes moto sorts an index query by; None for an index with several hash or range keys."""
    hashes = [key["AttributeName"] for key in index.schema if key["KeyType"] == "HASH"]
    ranges = [key["AttributeName"] for key in index.schema if key["KeyType"] == "RANGE"]
    if len(hashes) != 1 or len(ranges) > 1:
        return None
    if not ranges and table.range_key_attr:
        ranges = [table.range_key_attr]
    return list(dict.fromkeys([*hashes, *ranges, *table.table_key_attrs]))


def _narrowing(index: SecondaryIndex) -> Callable[[Image], Image] | None:
    kind = (index.projection or {}).get("ProjectionType")
    if kind not in ("KEYS_ONLY", "INCLUDE"):
        return None
    names = {*index.table_key_attrs, *index.schema_key_attrs}
    if kind == "INCLUDE":
        names |= set(index.projection.get("NonKeyAttributes", []))
    return lambda image: image.narrowed(names)
