"""One store for all tests of the API, and an API of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import app as chalice_door
from handlers.dispatch import table
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.api import Api, api_over
from tests.store_process import running_store


@pytest.fixture(scope="session")
def api_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store."""
    with running_store(tmp_path_factory.mktemp("api-store")) as store:
        yield store.url


class _Context:
    aws_request_id = "request-1"


@pytest.fixture(params=["chalice", "fastapi"])
def api(request: pytest.FixtureRequest, api_store: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """The API over empty tables, with one agent that has a docker trigger: once behind each door."""
    with api_over(api_store) as composed:
        if request.param == "chalice":
            monkeypatch.setattr(chalice_door, "services", lambda: composed.services)
            composed.door = lambda event: chalice_door.app(event, _Context())
        else:
            fastapi_door = lambda_handler_over(composed.services, table())
            composed.door = lambda event: fastapi_door(event, _Context())
        yield composed
