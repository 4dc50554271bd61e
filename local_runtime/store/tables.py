"""DynamoDB as a service: one lock around change and commit, reads from what is committed."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from werkzeug.exceptions import HTTPException

from local_runtime.store import reads
from local_runtime.store.engine import Handler, JournaledBackend, JournaledTable, Slot
from local_runtime.store.faults import Fault, NotCovered, invalid, not_durable
from local_runtime.store.journal import ItemChange, Journal, JournalError
from local_runtime.store.shelf import Image, Shelf
from local_runtime.store.values import SortKey, encoded, key_text, key_value, plain, required, with_binary_decoded

log = logging.getLogger(__name__)

ITEM_CHANGES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}
DEFINITION_CHANGES = {
    "CreateTable",
    "DeleteTable",
    "UpdateTable",
    "UpdateTimeToLive",
    "TagResource",
    "UntagResource",
    "UpdateContinuousBackups",
}
LOOK_UPS = {
    "GetItem",
    "BatchGetItem",
    "TransactGetItems",
    "Query",
    "Scan",
    "DescribeTable",
    "ListTables",
    "DescribeTimeToLive",
    "ListTagsOfResource",
    "DescribeContinuousBackups",
    "DescribeEndpoints",
    "DescribeLimits",
}
ITEM_SIZE_LIMIT = 400 * 1024
BATCH_WRITE_LIMIT = 25


class Tables:
    """All tables. `call` answers one operation; what it has answered to a change is on disk.

    Writers hold `_lock` from the first look at an item to the commit. Readers take `_shelf_lock` alone, which is held
    for microseconds: they see committed items only and never wait for a disk.
    """

    def __init__(self, journal: Journal):
        self._journal = journal
        self._backend = JournaledBackend()
        self._lock = threading.RLock()
        self._shelf_lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}
        self._quick = reads.Reads(self._shelves, self._shelf_lock)
        for definition in journal.table_definitions().values():
            self._load(definition)

    def _load(self, definition: dict[str, Any]) -> None:
        table = JournaledTable.from_definition(definition)
        images = []
        for body in self._journal.images(table.name):
            attributes = json.loads(body)
            item = table.load(with_binary_decoded(attributes))
            images.append(Image(item, attributes, body, item.size()))
        self._backend.tables[table.name] = table
        self._shelves[table.name] = shelf = Shelf(table)
        shelf.fill(images)

    def __len__(self) -> int:
        """How many items there are in all tables."""
        with self._shelf_lock:
            return sum(len(shelf) for shelf in self._shelves.values())

    def names(self) -> list[str]:
        with self._shelf_lock:
            return list(self._shelves)

    def call(self, operation: str, request: dict[str, Any]) -> bytes:
        """The JSON body of the answer. Raises Fault for every answer that is not 200."""
        request = with_binary_decoded(request)
        if operation in LOOK_UPS:
            return self._look_up(operation, request)
        if operation in ITEM_CHANGES:
            return self._change_items(operation, request)
        if operation in DEFINITION_CHANGES:
            return self._change_definitions(operation, request)
        raise Fault("UnknownOperationException", f"{operation} is not offered by this store", status=400)

    def _look_up(self, operation: str, request: dict[str, Any]) -> bytes:
        quick: Callable[[dict[str, Any]], bytes] | None = self._quick.offered.get(operation)
        if quick is not None:
            try:
                return quick(request)
            except HTTPException as error:
                raise MotoFault(error) from error
            except (NotCovered, KeyError, TypeError, AttributeError) as reason:
                log.debug("moto answers %s: %r", operation, reason)
        with self._lock:
            return self._ask_moto(operation, request)

    def _ask_moto(self, operation: str, request: dict[str, Any]) -> bytes:
        handler = Handler(self._backend, request)
        try:
            result: ActionResult = getattr(handler, camelcase_to_underscores(operation))()
        except HTTPException as error:
            raise MotoFault(error) from error
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, AssertionError) as error:
            # moto trips over requests it does not expect. It is the request that is wrong, and a 500 would make
            # every SDK repeat it with growing pauses.
            log.warning("moto could not carry out %s: %r", operation, error, exc_info=log.isEnabledFor(logging.DEBUG))
            raise invalid(f"The request could not be carried out: {type(error).__name__}: {error}") from error
        return encoded(plain(result.result) or {})

    def _change_items(self, operation: str, request: dict[str, Any]) -> bytes:
        if operation == "BatchWriteItem":
            _check_batch(request)
        with self._change():
            return self._ask_moto(operation, request)

    @contextmanager
    def _change(self) -> Iterator[None]:
        """Everything changed inside is committed and then shown to readers, or undone."""
        with self._lock:
            try:
                yield
                self._commit()
            except BaseException:
                for table in self._backend.journaled():
                    table.undo()
                raise

    def _commit(self) -> None:
        written: list[ItemChange] = []
        shown: list[tuple[Shelf, Slot, Image | None]] = []
        for table in self._backend.journaled():
            for slot, _before, now in table.changes():
                image = Image.of(now) if now is not None else None
                if image is not None:
                    _check_image(table, image)
                key = key_text(_sort_key(table, slot))
                written.append((table.name, key, image.body if image else None))
                shown.append((self._shelves[table.name], slot, image))
        if written:
            try:
                self._journal.commit(items=written)
            except JournalError as error:
                log.error("commit failed, the change is undone: %s", error)
                raise not_durable(error) from error
        with self._shelf_lock:
            for shelf, slot, image in shown:
                shelf.replace(shelf.main.images.get(_sort_key(shelf.table, slot)), image)
        for table in self._backend.journaled():
            table.forget()

    def _change_definitions(self, operation: str, request: dict[str, Any]) -> bytes:
        with self._lock:
            before = {table.name: (table, encoded(table.definition())) for table in self._backend.journaled()}
            try:
                answer = self._ask_moto(operation, request)
                self._commit_definitions(before)
            except BaseException:
                self._restore_definitions(before)
                raise
            return answer

    def _commit_definitions(self, before: dict[str, tuple[JournaledTable, bytes]]) -> None:
        now = {table.name: table for table in self._backend.journaled()}
        changed = [n for n, table in now.items() if n not in before or encoded(table.definition()) != before[n][1]]
        gone = [name for name in before if name not in now]
        if not changed and not gone:
            return
        try:
            self._journal.commit(
                tables=[*((name, None) for name in gone), *((name, now[name].definition()) for name in changed)]
            )
        except JournalError as error:
            raise not_durable(error) from error
        with self._shelf_lock:
            for name in gone:
                del self._shelves[name]
            for name in changed:
                shelf = Shelf(now[name])
                if name in self._shelves:
                    shelf.fill(list(self._shelves[name].main.images.values()))
                self._shelves[name] = shelf

    def _restore_definitions(self, before: dict[str, tuple[JournaledTable, bytes]]) -> None:
        self._backend.tables.clear()
        for name, (table, definition) in before.items():
            if encoded(table.definition()) != definition:
                restored = JournaledTable.from_definition(json.loads(definition))
                restored.items = table.items
                table = restored
                self._shelves[name].table = restored
            self._backend.tables[name] = table

    def expired(self, now: float) -> dict[str, list[Slot]]:
        """What TTL says may go at `now` (epoch seconds), by table. Values over five years old are kept, as on AWS."""
        found: dict[str, list[Slot]] = {}
        with self._shelf_lock:
            shelves = [
                (shelf.table, shelf.table.ttl["AttributeName"], list(shelf.main.images.values()))
                for shelf in self._shelves.values()
                if shelf.table.ttl.get("TimeToLiveStatus") == "ENABLED"
            ]
        for table, attribute, images in shelves:
            slots = [(i.item.hash_key, i.item.range_key) for i in images if _is_expired(i.item, attribute, now)]
            if slots:
                found[table.name] = slots
        return found

    def expire(self, table_name: str, slots: list[Slot], now: float) -> int:
        """Delete those of the slots whose item is still expired, in one commit; how many there were."""
        removed = 0
        with self._change():
            table = self._backend.tables.get(table_name)
            if not isinstance(table, JournaledTable) or table.ttl.get("TimeToLiveStatus") != "ENABLED":
                return 0
            for slot in slots:
                item = table.at(slot)
                if item is not None and _is_expired(item, table.ttl["AttributeName"], now):
                    table.delete_item(*slot)
                    removed += 1
        return removed

    def close(self) -> None:
        """Wait for the change in hand, then let no other begin."""
        self._lock.acquire()


class MotoFault(Fault):
    """An error as moto words it, passed on unchanged."""

    def __init__(self, error: HTTPException):
        super().__init__(type(error).__name__, str(error), status=error.code or 400)
        self._body = (error.description or "").encode()

    def body(self) -> bytes:
        return self._body


def _sort_key(table: JournaledTable | Any, slot: Slot) -> SortKey:
    kinds = (table.hash_key_type, table.range_key_type or "")
    return tuple(key_value(part, kind) for part, kind in zip(slot, kinds, strict=True) if part is not None)


def _is_expired(item: Any, attribute: str, now: float) -> bool:
    value = item.attrs.get(attribute)
    if value is None or value.type != "N":
        return False
    five_years = 5 * 365 * 24 * 3600
    return now - five_years < float(value.value) <= now


def _check_batch(request: dict[str, Any]) -> None:
    asked = sum(len(requests) for requests in required(request, "RequestItems").values())
    if not 1 <= asked <= BATCH_WRITE_LIMIT:
        raise invalid(
            "1 validation error detected: Value at 'requestItems' failed to satisfy constraint: "
            f"Member must have length between 1 and {BATCH_WRITE_LIMIT}; {asked} were given"
        )


def _check_image(table: Any, image: Image) -> None:
    """What AWS refuses and moto lets pass: items over 400 kB, index keys of the wrong type."""
    if image.size > ITEM_SIZE_LIMIT:
        raise invalid("Item size has exceeded the maximum allowed size")
    types = {definition["AttributeName"]: definition["AttributeType"] for definition in table.attr}
    for index in table.all_indexes():
        for name in index.schema_key_attrs:
            value, wanted = image.item.attrs.get(name), types.get(name)
            if value is not None and wanted is not None and value.type != wanted:
                raise invalid(
                    f"One or more parameter values were invalid: Type mismatch for Index Key {name} "
                    f"Expected: {wanted} Actual: {value.type} IndexName: {index.name}"
                )
