"""A scan that is sent again as it was prepared reads what a fresh one reads, and leaves every trouble to the client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chalicelib.adapters.dynamo.steady import KEPT_SECONDS, SteadyScan
from tests.builders.store_tables import create_table, key
from tests.store_process import StoreProcess, running_store


class Scanned:
    """A steady scan of a table of its own; `made` counts the scans the client had to make for it."""

    def __init__(self, store: StoreProcess) -> None:
        self.client = store.client("dynamodb")
        self.table = create_table(self.client)
        self.time = 1000.0
        self.made = 0
        request = {"TableName": self.table, "ConsistentRead": True}
        self.scan = SteadyScan(self.client, request, lambda: self.time)
        self.client.meta.events.register("before-call.dynamodb.Scan", self._count)

    def put(self, name: str, **attributes: Any) -> None:
        self.client.put_item(TableName=self.table, Item={**key(name), **attributes})

    def names(self) -> list[str]:
        return sorted(item["pk"]["S"] for item in self.scan.items())

    def _count(self, **_: Any) -> None:
        self.made += 1


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running


@pytest.fixture
def scanned(store: StoreProcess) -> Scanned:
    return Scanned(store)


def test_it_reads_what_was_written_a_moment_ago_without_another_request_of_the_client(scanned: Scanned) -> None:
    for number in range(5):
        scanned.put(f"item-{number}", count={"N": str(number)})
        assert scanned.names() == [f"item-{one}" for one in range(number + 1)]
    assert scanned.scan.items()[0].keys() == {"pk", "sk", "count"}
    assert scanned.made == 1


def test_the_client_prepares_it_anew_before_its_signature_grows_old(scanned: Scanned) -> None:
    assert scanned.names() == []
    scanned.time += KEPT_SECONDS - 1
    assert (scanned.names(), scanned.made) == ([], 1)
    scanned.time += 1
    assert (scanned.names(), scanned.made) == ([], 2)
    assert (scanned.names(), scanned.made) == ([], 2)


def test_other_scans_of_the_same_client_are_not_taken_for_it(scanned: Scanned) -> None:
    other = create_table(scanned.client)
    scanned.put("ours")
    scanned.client.scan(TableName=other)
    assert scanned.names() == ["ours"]
    scanned.client.scan(TableName=other)
    assert scanned.names() == ["ours"]


def test_more_than_one_page_is_read_to_its_end_each_time(scanned: Scanned) -> None:
    for name in ("a", "b", "c", "d"):
        scanned.put(name, large={"B": b"\0" * 380_000})
    assert [scanned.names() for _ in range(3)] == [["a", "b", "c", "d"]] * 3


def test_a_store_that_starts_again_is_asked_anew(tmp_path: Path) -> None:
    with running_store(tmp_path / "data") as store:
        scanned = Scanned(store)
        scanned.put("kept")
        assert scanned.names() == ["kept"]
        store.restart(same_port=True)
        assert [scanned.names() for _ in range(2)] == [["kept"]] * 2


def test_a_store_that_is_gone_or_has_another_key_is_told_of_as_the_client_does(tmp_path: Path) -> None:
    with running_store(tmp_path / "data") as store:
        scanned = Scanned(store)
        assert scanned.names() == []
        store.stop()
        with pytest.raises(EndpointConnectionError):
            scanned.names()
        (tmp_path / "data/store.key").write_text("test:another")
        store.restart(same_port=True)
        with pytest.raises(ClientError, match="signature"):
            scanned.names()
