"""How fast the embedded store answers a real botocore client over loopback: p50 and p99 in milliseconds."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tests.store_process import running_store  # noqa: E402

TABLE = "bench"
ROWS = 1000
BLOB = 2000


def measure(rounds: int = 300) -> list[tuple[str, float, float]]:
    """Name, p50 and p99 (ms) of each operation, on a fresh store holding 1,000 items with a 2 kB blob."""
    with tempfile.TemporaryDirectory() as directory, running_store(Path(directory) / "data") as store:
        client = store.client("dynamodb")
        _fill(client)
        counter = iter(range(10**9))
        cases: list[tuple[str, Callable[[], Any], int]] = [
            ("get_item", lambda: client.get_item(TableName=TABLE, Key=_key(7)), rounds),
            ("put_item", lambda: client.put_item(TableName=TABLE, Item=_item(next(counter) % ROWS)), rounds),
            ("conditional update", lambda: _conditional_update(client), rounds),
            ("transaction of 2", lambda: _transaction(client, next(counter)), rounds // 3),
            ("query 25", lambda: _query(client, 25), rounds),
            ("query 1000", lambda: _query(client, ROWS), max(20, rounds // 10)),
            ("scan 1000", lambda: _scan(client), max(20, rounds // 10)),
        ]
        return [(name, *_timed(act, times)) for name, act, times in cases]


def report(rows: list[tuple[str, float, float]], console: Console | None = None) -> None:
    table = Table(title="embedded store, botocore client over loopback")
    for heading in ("operation", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "operation" else "right")
    for name, p50, p99 in rows:
        table.add_row(name, f"{p50:.2f}", f"{p99:.2f}")
    (console or Console()).print(table)


def _fill(client: Any) -> None:
    client.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    for start in range(0, ROWS, 25):
        puts = [{"PutRequest": {"Item": _item(number)}} for number in range(start, start + 25)]
        client.batch_write_item(RequestItems={TABLE: puts})
    client.put_item(TableName=TABLE, Item={"pk": {"S": "counter"}, "sk": {"S": "0"}, "version": {"N": "0"}})
    client.version = 0


def _key(number: int) -> dict[str, Any]:
    return {"pk": {"S": "host"}, "sk": {"S": f"{number:05}"}}


def _item(number: int) -> dict[str, Any]:
    return {**_key(number), "status": {"S": "running"}, "n": {"N": str(number)}, "doc": {"B": os.urandom(BLOB)}}


def _conditional_update(client: Any) -> None:
    client.update_item(
        TableName=TABLE,
        Key={"pk": {"S": "counter"}, "sk": {"S": "0"}},
        UpdateExpression="SET version = :next, doc = :doc",
        ConditionExpression="version = :now",
        ExpressionAttributeValues={
            ":now": {"N": str(client.version)},
            ":next": {"N": str(client.version + 1)},
            ":doc": {"B": os.urandom(BLOB)},
        },
    )
    client.version += 1


def _transaction(client: Any, number: int) -> None:
    items = [_item(number % ROWS), _item((number + 1) % ROWS)]
    client.transact_write_items(TransactItems=[{"Put": {"TableName": TABLE, "Item": item}} for item in items])


def _query(client: Any, wanted: int) -> None:
    request: dict[str, Any] = {
        "TableName": TABLE,
        "KeyConditionExpression": "pk = :pk",
        "ExpressionAttributeValues": {":pk": {"S": "host"}},
    }
    _pages(client.query, request, wanted)


def _scan(client: Any) -> None:
    _pages(client.scan, {"TableName": TABLE}, ROWS)


def _pages(read: Callable[..., Any], request: dict[str, Any], wanted: int) -> None:
    seen = 0
    while seen < wanted:
        page = read(**request, Limit=wanted - seen)
        seen += page["Count"]
        request["ExclusiveStartKey"] = page.get("LastEvaluatedKey")
    assert seen == wanted


def _timed(act: Callable[[], Any], times: int) -> tuple[float, float]:
    for _ in range(5):
        act()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        act()
        taken.append((time.perf_counter() - start) * 1000)
    cuts = quantiles(taken, n=100, method="inclusive")
    return cuts[49], cuts[98]


if __name__ == "__main__":
    report(measure())
