"""moto's DynamoDB with an undo: tables that remember what a request touched, and a backend that uses them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from moto.dynamodb.exceptions import ResourceInUseException
from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType, Item
from moto.dynamodb.models.table import Table
from moto.dynamodb.responses import DynamoHandler

ACCOUNT = "000000000000"
REGION = "us-east-1"

Slot = tuple[DynamoType, DynamoType | None]


class JournaledTable(Table):  # moto types tables with a range key and without in one attribute, hence the ignores
    """moto's table, except that an item once stored is never changed in place.

    Between `forget` and `undo` it remembers the item that every touched slot held before, so that a request can be
    taken back as a whole. moto itself undoes transactions only, by copying the table, and leaves half an update behind
    when an expression fails midway.
    """

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.touched: dict[Slot, Item | None] = {}

    def set_stream_specification(self, streams: dict[str, Any] | None) -> None:
        super().set_stream_specification(streams)
        self.stream_shard = None  # moto would keep every record in memory for ever, and nothing here reads streams

    def __deepcopy__(self, memo: dict[int, Any]) -> JournaledTable:
        # moto copies whole tables before a transaction to put them back on failure; `undo` does that per item.
        return self

    def at(self, slot: Slot) -> Item | None:
        hash_key, range_key = slot
        if not self.has_range_key:
            return self.items.get(hash_key)  # type: ignore[return-value]
        partition = self.items.get(hash_key)
        return partition.get(range_key) if partition is not None and range_key is not None else None

    def place(self, slot: Slot, item: Item | None) -> None:
        hash_key, range_key = slot
        if not self.has_range_key:
            if item is None:
                self.items.pop(hash_key, None)
            else:
                self.items[hash_key] = item  # type: ignore[assignment]
        elif item is not None:
            self.items[hash_key][range_key] = item
        elif hash_key in self.items:
            self.items[hash_key].pop(range_key, None)
            if not self.items[hash_key]:
                del self.items[hash_key]

    def load(self, attributes: dict[str, Any]) -> Item:
        """Put in an item that was validated when it was first written."""
        slot = self._slot(attributes)
        item = Item(*slot, {})
        item.attrs = {name: DynamoType(value) for name, value in attributes.items()}  # type: ignore[assignment]
        self.place(slot, item)
        return item

    def _slot(self, key: dict[str, Any]) -> Slot:
        range_key = DynamoType(key[self.range_key_attr]) if self.range_key_attr is not None else None
        return DynamoType(key[self.hash_key_attr]), range_key

    def touch(self, key: dict[str, Any]) -> Slot | None:
        """Remember what the slot of this key holds; None when the key is incomplete, which moto then refuses."""
        if any(name not in key for name in self.table_key_attrs):
            return None
        slot = self._slot(key)
        self.touched.setdefault(slot, self.at(slot))
        return slot

    def loosen(self, key: dict[str, Any]) -> None:
        """Put a copy in the slot, for moto to change in place.

        The copy's attributes are a plain dict: moto's own counts the old and the new value together when it checks
        the size limit, and so refuses to replace a large value by another.
        """
        slot = self.touch(key)
        item = self.at(slot) if slot else None
        if slot and item is not None:
            loose = copy.deepcopy(item)
            loose.attrs = dict(loose.attrs)  # type: ignore[assignment]
            self.place(slot, loose)

    def put_item(self, item_attrs: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        self.touch(item_attrs)
        item = super().put_item(item_attrs, *args, **kwargs)
        item.attrs = dict(item.attrs)  # type: ignore[assignment]
        return item

    def get_item(self, hash_key: DynamoType, range_key: DynamoType | None = None, *args: Any, **kwargs: Any) -> Any:
        if range_key is not None and hash_key not in self.items:
            return None  # moto's lookup would leave an empty partition behind
        return super().get_item(hash_key, range_key, *args, **kwargs)

    def delete_item(self, hash_key: DynamoType, range_key: DynamoType | None) -> Item | None:
        slot = (hash_key, range_key)
        item = self.at(slot)
        self.touched.setdefault(slot, item)
        self.place(slot, None)
        return item

    def changes(self) -> Iterator[tuple[Slot, Item | None, Item | None]]:
        """Slot, item before, item now, for every slot whose item is another one than before."""
        for slot, before in self.touched.items():
            now = self.at(slot)
            if now is not before:
                yield slot, before, now

    def undo(self) -> None:
        for slot, before in self.touched.items():
            self.place(slot, before)
        self.touched = {}

    def forget(self) -> None:
        self.touched = {}

    def definition(self) -> dict[str, Any]:
        """All but the items, JSON-ready; `from_definition` makes the same table of it."""
        return {
            "name": self.name,
            "arguments": {
                "schema": self.schema,
                "attr": self.attr,
                "throughput": self.throughput,
                "billing_mode": self.billing_mode,
                "indexes": [_index(index) for index in self.indexes],
                "global_indexes": [_index(index) for index in self.global_indexes],
                "streams": self.stream_specification,
                "sse_specification": self.sse_specification,
                "tags": self.tags,
                "deletion_protection_enabled": self.deletion_protection_enabled,
                "warm_throughput": self.warm_throughput,
            },
            "ttl": self.ttl,
            "continuous_backups": self.continuous_backups,
            "latest_stream_label": self.latest_stream_label,
            "created_at": self.created_at.replace(tzinfo=UTC).timestamp(),
        }

    @classmethod
    def from_definition(cls, definition: dict[str, Any]) -> JournaledTable:
        table = cls(definition["name"], account_id=ACCOUNT, region=REGION, **copy.deepcopy(definition["arguments"]))
        table.ttl = dict(definition["ttl"])
        table.continuous_backups = copy.deepcopy(definition["continuous_backups"])
        table.latest_stream_label = definition["latest_stream_label"]
        table.created_at = datetime.fromtimestamp(definition["created_at"], UTC).replace(tzinfo=None)
        return table


def _index(index: Any) -> dict[str, Any]:
    described: dict[str, Any] = {"IndexName": index.name, "KeySchema": index.schema, "Projection": index.projection}
    throughput = getattr(index, "throughput", None)
    if throughput and throughput["ReadCapacityUnits"]:  # zero stands for on-demand, which is said by leaving it out
        described["ProvisionedThroughput"] = throughput
    return described


class JournaledBackend(DynamoDBBackend):
    """moto's backend over journaled tables; not registered with moto, so no other code can reach it."""

    SERVICE_NAMESPACE = "dynamodb"

    def __init__(self) -> None:
        super().__init__(REGION, ACCOUNT)

    def create_table(self, name: str, **definition: Any) -> Table:  # type: ignore[override]
        if name in self.tables:
            raise ResourceInUseException(f"Table already exists: {name}")
        table = JournaledTable(name, account_id=ACCOUNT, region=REGION, **definition)  # type: ignore[abstract]
        self.tables[name] = table
        return table

    def update_item(self, table_name: str, key: dict[str, Any], *args: Any, **kwargs: Any) -> Item:
        table = self.get_table(table_name)
        assert isinstance(table, JournaledTable)
        table.loosen(key)
        return super().update_item(table_name, key, *args, **kwargs)

    def journaled(self) -> list[JournaledTable]:
        return [table for table in self.tables.values() if isinstance(table, JournaledTable)]


class Handler(DynamoHandler):
    """moto's request handler for one request, without its HTTP layer, parser and serializer."""

    def __init__(self, backend: JournaledBackend, request: dict[str, Any]):
        super().__init__()
        self._backend = backend
        self.body = self.params = request

    @property
    def dynamodb_backend(self) -> DynamoDBBackend:
        return self._backend
