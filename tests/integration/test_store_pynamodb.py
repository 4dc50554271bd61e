"""PynamoDB, the application's mapper, through the embedded store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from pynamodb.attributes import (
    BinaryAttribute,
    JSONAttribute,
    NumberAttribute,
    TTLAttribute,
    UnicodeAttribute,
    UnicodeSetAttribute,
    VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

from tests.store_process import running_store


class StatusIndex(GlobalSecondaryIndex["Container"]):
    class Meta:
        index_name = "by-status"
        projection = AllProjection()

    status = UnicodeAttribute(hash_key=True)
    updated = NumberAttribute(range_key=True)


class Container(Model):
    class Meta:
        table_name = "containers"
        region = "us-east-1"
        billing_mode = "PAY_PER_REQUEST"
        aws_access_key_id = "test"
        aws_secret_access_key = "test"
        max_retry_attempts = 0

    host = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    status = UnicodeAttribute(default="running")
    updated = NumberAttribute(default=0)
    document = BinaryAttribute(legacy_encoding=False, null=True)
    labels = UnicodeSetAttribute(null=True)
    extra = JSONAttribute(null=True)
    version = VersionAttribute()
    expires = TTLAttribute(null=True)
    by_status = StatusIndex()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("pynamodb"), "--sweep-seconds", "0.3") as store:
        Container.Meta.host = store.url
        Container.create_table(wait=True)
        yield store.url


@pytest.fixture(autouse=True)
def containers(url: str) -> Iterator[Any]:
    yield Container
    with Container.batch_write() as batch:
        for container in Container.scan():
            batch.delete(container)


def test_what_is_saved_comes_back() -> None:
    Container("h", "web", document=b"\x00\xff", labels={"a", "b"}, extra={"deep": [1, {"x": None}]}).save()
    found = Container.get("h", "web")
    assert (found.document, found.labels, found.extra, found.version) == (
        b"\x00\xff",
        {"a", "b"},
        {"deep": [1, {"x": None}]},
        1,
    )


def test_put_if_absent_lets_one_through() -> None:
    absent = Container.host.does_not_exist()
    Container("h", "web").save(absent, add_version_condition=False)
    with pytest.raises(PutError) as caught:
        Container("h", "web").save(absent, add_version_condition=False)
    assert caught.value.cause_response_code == "ConditionalCheckFailedException"


def test_a_stale_version_cannot_be_saved() -> None:
    Container("h", "web").save()
    first, second = Container.get("h", "web"), Container.get("h", "web")
    first.status = "paused"
    first.save()
    second.status = "exited"
    with pytest.raises(PutError):
        second.save()
    assert Container.get("h", "web").status == "paused"
    assert Container.get("h", "web").version == 2


def test_a_conditional_update_claims_once() -> None:
    Container("h", "web", status="queued").save()
    container = Container.get("h", "web")
    actions = [Container.status.set("running")]
    container.update(actions, condition=Container.status == "queued")
    with pytest.raises(UpdateError):
        Container.get("h", "web").update(actions, condition=Container.status == "queued")


def test_queries_of_table_and_index_page_through_everything() -> None:
    with Container.batch_write() as batch:
        for number in range(60):
            status = "running" if number % 2 else "exited"
            batch.save(Container("h", f"c{number:02}", status=status, updated=number, version=1))
    assert [c.name for c in Container.query("h", Container.name.startswith("c1"))] == [f"c{n}" for n in range(10, 20)]
    between = Container.query("h", Container.name.between("c05", "c07"), scan_index_forward=False)
    assert [c.name for c in between] == ["c07", "c06", "c05"]
    running = Container.by_status.query("running", page_size=7)
    assert [c.updated for c in running] == list(range(1, 60, 2))
    newest = Container.by_status.query("exited", scan_index_forward=False, limit=3)
    assert [c.updated for c in newest] == [58, 56, 54]
    filtered = Container.query("h", filter_condition=(Container.status == "running") & (Container.updated > 50))
    assert [c.updated for c in filtered] == [51, 53, 55, 57, 59]
    assert Container.count("h") == 60
    assert len(list(Container.batch_get([("h", f"c{n:02}") for n in range(60)]))) == 60


def test_a_transaction_is_all_or_nothing_and_gives_reasons(url: str) -> None:
    connection = Connection(region="us-east-1", host=url)
    connection.session.set_credentials("test", "test")
    Container("h", "a", status="queued").save()
    with TransactWrite(connection=connection) as transaction:
        transaction.save(Container("h", "b"))
        transaction.update(
            Container.get("h", "a"), [Container.status.set("running")], condition=Container.status == "queued"
        )
    assert Container.get("h", "a").status == "running"
    with pytest.raises(TransactWriteError) as caught, TransactWrite(connection=connection) as transaction:
        transaction.save(Container("h", "c"))
        transaction.condition_check(Container, "h", "a", condition=Container.status == "queued")
    reasons = [reason and reason.code for reason in caught.value.cancellation_reasons]
    assert reasons == ["ConditionalCheckFailed", None]  # PynamoDB sends the checks first
    with TransactGet(connection=connection) as transaction:
        present = transaction.get(Container, "h", "b")
        absent = transaction.get(Container, "h", "c")
    assert present.get().name == "b"
    with pytest.raises(Container.DoesNotExist):
        absent.get()


def test_a_ttl_attribute_makes_an_item_go() -> None:
    Container.update_ttl(ignore_update_ttl_errors=False)
    Container("h", "short", expires=timedelta(seconds=-1)).save()
    Container("h", "long", expires=timedelta(hours=1)).save()
    deadline = time.monotonic() + 10
    while Container.count("h") > 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert [c.name for c in Container.query("h")] == ["long"]
