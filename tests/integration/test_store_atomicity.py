"""Concurrent writers through the store: conditional writes never lose an update, transactions are all or nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.builders.store_tables import all_items, create_table, key
from tests.store_process import StoreProcess, running_store

THREADS = 8
INCREMENTS = 200


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    """Its threads change places every 10 microseconds, which brings races out that are rare otherwise."""
    with running_store(tmp_path_factory.mktemp("atomic"), "--switch-interval", "1e-5") as store:
        yield store


def together(number: int, act: Callable[[int], None]) -> None:
    """Run `act` in that many threads at once; raises what any of them raised."""
    failures: list[BaseException] = []
    gate = threading.Barrier(number)

    def run(which: int) -> None:
        try:
            gate.wait(10)
            act(which)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(which,)) for which in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
        assert not thread.is_alive()
    if failures:
        raise failures[0]


def increment(client: Any, table: str, counter: str, now: int) -> int:
    """Count up from whatever the counter stands at, guessing `now` first; what it stands at then."""
    while True:
        try:
            client.update_item(
                TableName=table,
                Key=key("counter", counter),
                UpdateExpression="SET version = :next",
                ConditionExpression="version = :now",
                ExpressionAttributeValues={":now": {"N": str(now)}, ":next": {"N": str(now + 1)}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
            return now + 1
        except client.exceptions.ConditionalCheckFailedException as error:
            now = int(error.response["Item"]["version"]["N"])


def test_eight_writers_with_a_version_check_lose_no_increment(store: StoreProcess) -> None:
    table = create_table(store.client("dynamodb"))
    client = store.client("dynamodb")
    counters = [str(number) for number in range(4)]
    for counter in counters:
        client.put_item(TableName=table, Item={**key("counter", counter), "version": {"N": "0"}})

    def work(which: int) -> None:
        mine, seen = store.client("dynamodb"), dict.fromkeys(counters, 0)
        for number in range(INCREMENTS):
            counter = counters[(which + number) % len(counters)]
            seen[counter] = increment(mine, table, counter, seen[counter])

    together(THREADS, work)
    assert sum(int(item["version"]["N"]) for item in all_items(client, table)) == THREADS * INCREMENTS


def test_eight_writers_adding_to_one_counter_lose_nothing(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)

    def work(_: int) -> None:
        mine = store.client("dynamodb")
        for _ in range(INCREMENTS):
            mine.update_item(
                TableName=table,
                Key=key("counter"),
                UpdateExpression="ADD #n :one",
                ExpressionAttributeNames={"#n": "n"},
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    together(THREADS, work)
    assert client.get_item(TableName=table, Key=key("counter"))["Item"]["n"]["N"] == str(THREADS * INCREMENTS)


def test_exactly_one_of_many_puts_if_absent_wins(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)
    won: list[tuple[str, int]] = []

    def work(which: int) -> None:
        mine = store.client("dynamodb")
        for number in range(40):
            item = {**key("claim", str(number)), "owner": {"N": str(which)}}
            try:
                mine.put_item(TableName=table, Item=item, ConditionExpression="attribute_not_exists(pk)")
                won.append((str(number), which))
            except mine.exceptions.ConditionalCheckFailedException:
                pass

    together(THREADS, work)
    owners = {item["sk"]["S"]: int(item["owner"]["N"]) for item in all_items(client, table)}
    assert len(won) == 40
    assert owners == dict(won)


def move(client: Any, table: str, source: str, target: str) -> None:
    client.transact_write_items(
        TransactItems=[
            {
                "Update": {
                    "TableName": table,
                    "Key": key(source),
                    "UpdateExpression": "ADD balance :minus",
                    "ConditionExpression": "balance >= :one",
                    "ExpressionAttributeValues": {":minus": {"N": "-1"}, ":one": {"N": "1"}},
                }
            },
            {
                "Update": {
                    "TableName": table,
                    "Key": key(target),
                    "UpdateExpression": "ADD balance :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            },
        ]
    )


def test_transactions_beside_plain_writes_are_all_or_nothing(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)
    accounts = [f"account-{n}" for n in range(4)]
    for account in accounts:
        client.put_item(TableName=table, Item={**key(account), "balance": {"N": "10"}})
    totals: list[int] = []

    def work(which: int) -> None:
        mine = store.client("dynamodb")
        for number in range(50):
            if which < 5:
                try:
                    move(mine, table, accounts[number % 4], accounts[(number + which + 1) % 4])
                except ClientError as error:
                    assert error.response["Error"]["Code"] in ("TransactionCanceledException", "ValidationException")
            elif which < 7:
                mine.put_item(TableName=table, Item=key(f"plain-{which}", str(number)))
            else:
                reads = [{"Get": {"TableName": table, "Key": key(account)}} for account in accounts]
                seen = mine.transact_get_items(TransactItems=reads)["Responses"]
                totals.append(sum(int(entry["Item"]["balance"]["N"]) for entry in seen))

    together(THREADS, work)
    items = {item["pk"]["S"]: item for item in all_items(client, table) if "balance" in item}
    assert sum(int(item["balance"]["N"]) for item in items.values()) == 40
    assert all(int(item["balance"]["N"]) >= 0 for item in items.values())
    assert set(totals) == {40}
    assert len([item for item in all_items(client, table) if item["pk"]["S"].startswith("plain")]) == 100


def test_a_cancelled_transaction_changes_nothing_and_says_why(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)
    client.put_item(TableName=table, Item={**key("old"), "v": {"N": "1"}})
    with pytest.raises(client.exceptions.TransactionCanceledException) as caught:
        client.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": table, "Item": key("new")}},
                {"Delete": {"TableName": table, "Key": key("old")}},
                {
                    "ConditionCheck": {
                        "TableName": table,
                        "Key": key("other"),
                        "ConditionExpression": "attribute_exists(pk)",
                    }
                },
            ]
        )
    codes = [reason["Code"] for reason in caught.value.response["CancellationReasons"]]
    assert codes == ["None", "None", "ConditionalCheckFailed"]
    assert all_items(client, table) == [{**key("old"), "v": {"N": "1"}}]


def test_an_update_that_fails_midway_leaves_the_item_as_it_was(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)
    client.put_item(TableName=table, Item={**key("x"), "n": {"N": "1"}, "s": {"S": "text"}})
    for target in ("x", "absent"):
        with pytest.raises(ClientError):
            client.update_item(
                TableName=table,
                Key=key(target),
                UpdateExpression="SET a = :a, b = missing + :a",
                ExpressionAttributeValues={":a": {"N": "5"}},
            )
    assert all_items(client, table) == [{**key("x"), "n": {"N": "1"}, "s": {"S": "text"}}]
    # moto itself must agree, not only what readers see: this condition is judged by it.
    client.put_item(TableName=table, Item=key("absent"), ConditionExpression="attribute_not_exists(pk)")


def test_a_large_value_can_be_replaced_by_another(store: StoreProcess) -> None:
    client = store.client("dynamodb")
    table = create_table(client)
    client.put_item(TableName=table, Item={**key("x"), "doc": {"B": b"a" * 300_000}})
    client.update_item(
        TableName=table,
        Key=key("x"),
        UpdateExpression="SET doc = :doc",
        ExpressionAttributeValues={":doc": {"B": b"b" * 300_000}},
    )
    assert client.get_item(TableName=table, Key=key("x"))["Item"]["doc"]["B"] == b"b" * 300_000
