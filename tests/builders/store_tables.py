"""Tables for tests of the store: their definitions and ready-made requests, in DynamoDB JSON."""

from __future__ import annotations

import itertools
from typing import Any

_numbers = itertools.count(1)


def fresh_name(prefix: str = "table") -> str:
    return f"{prefix}-{next(_numbers)}"


def create_table(
    client: Any,
    name: str | None = None,
    *,
    range_type: str | None = "S",
    indexes: list[dict[str, Any]] | None = None,
    further: dict[str, str] | None = None,
) -> str:
    """A table with hash key `pk` (S) and, unless `range_type` is None, range key `sk`; its name.

    `further` gives the types of attributes that `indexes` use.
    """
    name = name or fresh_name()
    schema = [{"AttributeName": "pk", "KeyType": "HASH"}]
    types = {"pk": "S", **(further or {})}
    if range_type:
        schema.append({"AttributeName": "sk", "KeyType": "RANGE"})
        types["sk"] = range_type
    definition: dict[str, Any] = {
        "TableName": name,
        "KeySchema": schema,
        "AttributeDefinitions": [{"AttributeName": n, "AttributeType": t} for n, t in types.items()],
        "BillingMode": "PAY_PER_REQUEST",
    }
    if indexes:
        definition["GlobalSecondaryIndexes"] = indexes
    client.create_table(**definition)
    return name


def index(
    name: str, hash_name: str, range_name: str | None = None, projection: str = "ALL", *extra: str
) -> dict[str, Any]:
    schema = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    if range_name:
        schema.append({"AttributeName": range_name, "KeyType": "RANGE"})
    shown: dict[str, Any] = {"ProjectionType": projection}
    if extra:
        shown["NonKeyAttributes"] = list(extra)
    return {"IndexName": name, "KeySchema": schema, "Projection": shown}


def key(pk: str, sk: str = "0") -> dict[str, Any]:
    return {"pk": {"S": pk}, "sk": {"S": sk}}


def all_items(client: Any, table: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        found += page["Items"]
    return found
