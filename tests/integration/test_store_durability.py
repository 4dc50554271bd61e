"""What the store has acknowledged is there after any crash; what it could not write did not happen."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from tests.builders.store_tables import all_items, create_table, index, key
from tests.store_process import ROOT, StoreProcess, running_store, until

WRITERS = 4
ROUNDS = 6


def put(client: Any, table: str, pk: str, sk: str = "0", **attributes: Any) -> None:
    client.put_item(TableName=table, Item={**key(pk, sk), **attributes})


class Storm:
    """Four clients writing as fast as they can until the store dies; remembers what was acknowledged."""

    def __init__(self, store: StoreProcess, table: str, round_number: int):
        self.acknowledged: dict[tuple[str, str], str] = {}
        self.pairs: list[str] = []
        self._table, self._round = table, round_number
        self._threads = [
            threading.Thread(target=self._write, args=(number, store.client("dynamodb"))) for number in range(WRITERS)
        ]

    def __enter__(self) -> Storm:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _write(self, writer: int, client: Any) -> None:
        for number in range(100_000):
            pk, sk, value = f"w{writer}", f"{number % 40}", f"{self._round}-{number}"
            try:
                if number % 5 == 4:
                    self._write_pair(client, f"{writer}-{value}")
                else:
                    put(client, self._table, pk, sk, value={"S": value}, blob={"B": os.urandom(500)})
                    self.acknowledged[pk, sk] = value
            except (BotoCoreError, ClientError):
                return

    def _write_pair(self, client: Any, name: str) -> None:
        puts = [{"Put": {"TableName": self._table, "Item": key(f"pair-{side}", name)}} for side in ("left", "right")]
        client.transact_write_items(TransactItems=puts)
        self.pairs.append(name)


def number_of(value: str) -> tuple[int, int]:
    round_number, number = value.split("-")
    return int(round_number), int(number)


def test_every_acknowledged_write_survives_kill_9_in_the_middle_of_a_storm(tmp_path: Path) -> None:
    expected: dict[tuple[str, str], str] = {}
    pairs: list[str] = []
    with running_store(tmp_path) as store:
        table = create_table(store.client("dynamodb"))
        for round_number in range(ROUNDS):
            with Storm(store, table, round_number) as storm:
                until(lambda: len(storm.acknowledged) > 20 and len(storm.pairs) > 5)
                time.sleep(0.13 * round_number)
                store.kill()
            expected |= storm.acknowledged
            pairs += storm.pairs
            store.restart()
            items = {(i["pk"]["S"], i["sk"]["S"]): i for i in all_items(store.client("dynamodb"), table)}
            for place, value in expected.items():
                # The one write in flight may have been stored without its answer arriving; an older value may not.
                assert number_of(items[place]["value"]["S"]) >= number_of(value)
            left = {sk for pk, sk in items if pk == "pair-left"}
            right = {sk for pk, sk in items if pk == "pair-right"}
            assert left == right
            assert left >= set(pairs)


def test_table_definitions_and_time_to_live_survive_a_crash(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        client = store.client("dynamodb")
        table = create_table(
            client, indexes=[index("by-g", "g", "n", "INCLUDE", "extra")], further={"g": "S", "n": "N"}
        )
        client.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        client.tag_resource(
            ResourceArn=client.describe_table(TableName=table)["Table"]["TableArn"], Tags=[{"Key": "a", "Value": "b"}]
        )
        put(client, table, "x", g={"S": "g"}, n={"N": "1"}, extra={"S": "e"}, other={"S": "o"})
        before = client.describe_table(TableName=table)["Table"]
        store.restart()
        client = store.client("dynamodb")
        assert client.describe_table(TableName=table)["Table"] == before
        assert client.describe_time_to_live(TableName=table)["TimeToLiveDescription"] == {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": "expires",
        }
        assert client.list_tags_of_resource(ResourceArn=before["TableArn"])["Tags"] == [{"Key": "a", "Value": "b"}]
        found = client.query(
            TableName=table,
            IndexName="by-g",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": {"S": "g"}},
        )["Items"]
        assert found == [{**key("x"), "g": {"S": "g"}, "n": {"N": "1"}, "extra": {"S": "e"}}]


def test_a_deleted_item_and_a_deleted_table_stay_deleted(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        client = store.client("dynamodb")
        kept, gone = create_table(client), create_table(client)
        put(client, kept, "a")
        put(client, kept, "b")
        put(client, gone, "a")
        client.delete_item(TableName=kept, Key=key("a"))
        client.delete_table(TableName=gone)
        store.restart()
        client = store.client("dynamodb")
        assert all_items(client, kept) == [key("b")]
        assert client.list_tables()["TableNames"] == [kept]
        create_table(client, gone)
        assert all_items(client, gone) == []


def test_a_store_of_2000_items_is_ready_within_three_seconds(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        client = store.client("dynamodb")
        table = create_table(client)
        for start in range(0, 2000, 25):
            items = [{**key("p", f"{n:05}"), "doc": {"B": os.urandom(2000)}} for n in range(start, start + 25)]
            client.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": item}} for item in items]})
        store.kill()
        store.restart()
        # Its own computing time: the clock on the wall also counts what else this machine is doing.
        user, system = Path(f"/proc/{store.pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        taken = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        assert store.health()["items"] == 2000
        assert taken < 3


@pytest.fixture
def full_store(tmp_path: Path) -> Any:
    """A store with one item, whose files cannot grow any more; `relieve()` lets them."""
    with running_store(tmp_path / "data") as store:
        client = store.client("dynamodb")
        table = create_table(client)
        put(client, table, "old", value={"S": "first"})
        size = (tmp_path / "data" / "store.sqlite3-wal").stat().st_size
        _, hard = resource.prlimit(store.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(store.pid, resource.RLIMIT_FSIZE, (size, hard))
        yield store, client, table, lambda: resource.prlimit(store.pid, resource.RLIMIT_FSIZE, (hard, hard))


def refused(act: Any) -> None:
    with pytest.raises(ClientError) as caught:
        act()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert caught.value.response["Error"]["Code"] == "InternalServerError"


def test_a_write_that_cannot_reach_the_disk_is_refused_and_undone(full_store: Any) -> None:
    store, client, table, relieve = full_store
    blob = {"B": os.urandom(100_000)}
    refused(lambda: put(client, table, "new", blob=blob))
    refused(lambda: put(client, table, "old", value={"S": "second"}, blob=blob))
    refused(lambda: client.delete_item(TableName=table, Key=key("old")))
    refused(
        lambda: client.update_item(
            TableName=table,
            Key=key("old"),
            UpdateExpression="SET #v = :v",
            ExpressionAttributeNames={"#v": "value"},
            ExpressionAttributeValues={":v": {"S": "third"}},
        )
    )
    refused(lambda: create_table(client, "another"))
    refused(lambda: client.delete_table(TableName=table))
    assert all_items(client, table) == [{**key("old"), "value": {"S": "first"}}]
    assert client.list_tables()["TableNames"] == [table]
    # A condition is judged by moto's memory, not by the shelf readers see: both have to be back where they were.
    relieve()
    client.put_item(
        TableName=table,
        Item={**key("old"), "value": {"S": "fourth"}},
        ConditionExpression="#v = :v",
        ExpressionAttributeNames={"#v": "value"},
        ExpressionAttributeValues={":v": {"S": "first"}},
    )
    client.put_item(TableName=table, Item=key("new"), ConditionExpression="attribute_not_exists(pk)")
    store.restart()
    items = {item["pk"]["S"]: item for item in all_items(store.client("dynamodb"), table)}
    assert items == {"old": {**key("old"), "value": {"S": "fourth"}}, "new": key("new")}


def test_a_batch_that_cannot_reach_the_disk_leaves_nothing(full_store: Any) -> None:
    store, client, table, _relieve = full_store
    puts = [{"PutRequest": {"Item": {**key("batch", str(n)), "b": {"B": os.urandom(20_000)}}}} for n in range(20)]
    refused(lambda: client.batch_write_item(RequestItems={table: puts}))
    writes = [{"Put": {"TableName": table, "Item": key("transaction", str(n))}} for n in range(5)]
    refused(lambda: client.transact_write_items(TransactItems=writes))
    assert [item["pk"]["S"] for item in all_items(client, table)] == ["old"]
    store.restart()
    assert [item["pk"]["S"] for item in all_items(store.client("dynamodb"), table)] == ["old"]


def test_a_second_store_on_the_same_data_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        second = subprocess.run(
            [sys.executable, "-m", "local_runtime.store", "--data", str(tmp_path)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=20,
        )
        assert second.returncode == 1
        assert f"held by the store process with pid {store.pid}" in second.stderr
        assert second.stdout == ""
        assert store.health()["pid"] == store.pid


def test_only_the_owner_can_read_the_data(tmp_path: Path) -> None:
    data = tmp_path / "made" / "here"
    with running_store(data) as store:
        create_table(store.client("dynamodb"))
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for name in ("store.sqlite3", "store.sqlite3-wal", "store.lock"):
            assert stat.S_IMODE((data / name).stat().st_mode) == 0o600, name


def test_commits_are_synchronous(tmp_path: Path) -> None:
    from local_runtime.store.journal import Journal

    journal = Journal(tmp_path)
    try:
        connection: sqlite3.Connection = journal._connection
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    finally:
        journal.close()
