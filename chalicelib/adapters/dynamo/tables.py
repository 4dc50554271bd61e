"""The tables' definitions, derived from the models: made here locally, and put into the cloud's template by `infra`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.models import Model

from chalicelib.adapters.dynamo.models import MODELS, NAMES, Tables

EXPIRY = "expires_at"
"""The attribute that, where a table has it, says when DynamoDB may delete the item (seconds since 1970)."""


def definition(model: type[Model], prefix: str) -> dict[str, Any]:
    """CreateTable's arguments for one model, billed on demand."""
    schema = model._get_schema()
    table: dict[str, Any] = {
        "TableName": prefix + NAMES[model],
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [dict(item) for item in schema["attribute_definitions"]],
        "KeySchema": _keys(schema["key_schema"]),
    }
    if schema["global_secondary_indexes"]:
        table["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index["index_name"],
                "KeySchema": _keys(index["key_schema"]),
                "Projection": {"ProjectionType": index["projection"]["ProjectionType"]},
            }
            for index in schema["global_secondary_indexes"]
        ]
    return table


def expires(model: type[Model]) -> bool:
    """Whether items of this table carry an expiry."""
    return EXPIRY in model.get_attributes()


def create_missing(tables: Tables) -> list[str]:
    """Create every table that is not there yet; the names of those created. For one's own machine and for tests."""
    existing = _existing(tables.client)
    created = []
    for model in MODELS:
        name = tables.name(model)
        if name not in existing and _create(tables.client, definition(model, tables.prefix)):
            created.append(name)
    for model in MODELS:
        if tables.name(model) in created:
            _wait_active(tables.client, tables.name(model))
            if expires(model):
                tables.client.update_time_to_live(
                    TableName=tables.name(model),
                    TimeToLiveSpecification={"Enabled": True, "AttributeName": EXPIRY},
                )
    return created


def _keys(schema: Iterable[Any]) -> list[dict[str, str]]:
    """DynamoDB wants the partition key first."""
    return sorted((dict(key) for key in schema), key=lambda key: key["KeyType"])


def _existing(client: Any) -> set[str]:
    names: set[str] = set()
    for page in client.get_paginator("list_tables").paginate():
        names.update(page["TableNames"])
    return names


def _create(client: Any, table: dict[str, Any]) -> bool:
    try:
        client.create_table(**table)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceInUseException":
            return False
        raise
    return True


def _wait_active(client: Any, name: str) -> None:
    for _ in range(120):
        if client.describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE":
            return
        time.sleep(0.5)
    raise TimeoutError(f"table {name} did not become active within a minute")
