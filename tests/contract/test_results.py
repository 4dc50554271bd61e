"""Large answers in the store: in pieces that each expire, read once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.dynamo.models import ResultModel
from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.command import RETENTION
from chalicelib.domain.errors import NotFound
from tests.store_process import KEY, running_store

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
LARGE = os.urandom(700_000)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_store(tmp_path_factory.mktemp("results")) as store:
        yield Services(Settings(dynamodb_url=store.url, access_key=KEY, create_tables=True))


def test_a_large_answer_travels_in_pieces_that_expire_and_is_gone_once_read(services: Services) -> None:
    pieces = services.results.put("attic", "one", LARGE, NOW)
    stored = services.tables.client.scan(TableName=services.tables.name(ResultModel))["Items"]
    assert len(stored) == pieces == 3
    assert {int(item["expires_at"]["N"]) for item in stored} == {int((NOW + RETENTION).timestamp())}
    assert services.results.take("attic", "one", pieces) == LARGE
    with pytest.raises(NotFound):
        services.results.take("attic", "one", pieces)


def test_an_answer_that_has_expired_in_part_is_gone(services: Services) -> None:
    pieces = services.results.put("attic", "two", LARGE, NOW)
    key = {"agent": {"S": "attic"}, "key": {"S": "two#0001"}}
    services.tables.client.delete_item(TableName=services.tables.name(ResultModel), Key=key)
    with pytest.raises(NotFound):
        services.results.take("attic", "two", pieces)


def test_an_answer_given_again_replaces_the_first(services: Services) -> None:
    services.results.put("attic", "three", LARGE, NOW)
    assert services.results.take("attic", "three", services.results.put("attic", "three", b"short", NOW)) == b"short"
