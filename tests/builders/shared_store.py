"""Owns the store that the API's tests share: its tables are made once, emptied before each test, filled from copies."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chalicelib.adapters.dynamo.models import Tables
from chalicelib.adapters.dynamo.tables import create_missing
from tests.store_process import client_of

Item = Mapping[str, Any]
Contents = Mapping[str, Sequence[Item]]
"""Items in DynamoDB JSON, by table."""

_WRITES = {"PutItem", "UpdateItem", "BatchWriteItem", "TransactWriteItems"}
_BATCH = 25


class SharedStore:
    """One store with one client for all tests: making one costs more than most of them do.

    It remembers which tables were written to, since to look into all of them would take longer than most tests. What
    another client has written is noticed by the store's own count of items.
    """

    def __init__(self, url: str) -> None:
        self.client = client_of("dynamodb", url)
        self.client.meta.events.register("before-parameter-build.dynamodb", self._note)
        self._url = url
        self._made: set[str] = set()
        self._keys: dict[str, list[str]] = {}
        self._written: set[str] = set()

    def tables(self, region: str = "us-east-1", prefix: str = "slipway-") -> Tables:
        """The tables whose names begin so, all empty, for the models: those know one set of tables at a time."""
        tables = Tables(self.client, region, prefix)
        if prefix not in self._made:
            create_missing(tables)
            self._made.add(prefix)
        self.empty()
        return tables

    def empty(self) -> None:
        """Delete every item. Cheaper than new tables."""
        for table in tuple(self._written):
            self._empty(table)
        self._written.clear()
        if self._items():
            for table in self.client.list_tables()["TableNames"]:
                self._empty(table)

    def contents(self) -> Contents:
        """A copy of everything written since it was emptied."""
        return {table: self.client.scan(TableName=table)["Items"] for table in sorted(self._written)}

    def fill(self, contents: Contents) -> None:
        """Put a copy in."""
        for table, items in contents.items():
            self._write(table, [{"PutRequest": {"Item": item}} for item in items])

    def _empty(self, table: str) -> None:
        keys = self._keys_of(table)
        page: Mapping[str, Any] = {"LastEvaluatedKey": None}
        while "LastEvaluatedKey" in page:
            page = self.client.scan(TableName=table)
            doomed = ({key: item[key] for key in keys} for item in page["Items"])
            self._write(table, [{"DeleteRequest": {"Key": key}} for key in doomed])

    def _write(self, table: str, requests: Sequence[Mapping[str, Any]]) -> None:
        for start in range(0, len(requests), _BATCH):
            self.client.batch_write_item(RequestItems={table: requests[start : start + _BATCH]})

    def _keys_of(self, table: str) -> list[str]:
        if table not in self._keys:
            schema = self.client.describe_table(TableName=table)["Table"]["KeySchema"]
            self._keys[table] = [key["AttributeName"] for key in schema]
        return self._keys[table]

    def _items(self) -> int:
        with urllib.request.urlopen(self._url, timeout=10) as answer:
            return int(json.load(answer)["items"])

    def _note(self, params: Mapping[str, Any], model: Any, **_: Any) -> None:
        if model.name in _WRITES:
            self._written.update(_tables_of(params))


def _tables_of(params: Mapping[str, Any]) -> Iterable[str]:
    """The tables a request names, whatever its shape."""
    inner = (one for entry in params.get("TransactItems", ()) for one in entry.values())
    return {one["TableName"] for one in (params, *inner) if "TableName" in one} | set(params.get("RequestItems", ()))
