"""One store for all tests of the API, and an API of its own for each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.api import Api, api_over
from tests.store_process import running_store


@pytest.fixture(scope="session")
def api_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a store."""
    with running_store(tmp_path_factory.mktemp("api-store")) as store:
        yield store.url


@pytest.fixture
def api(api_store: str) -> Iterator[Api]:
    """The API over empty tables, with one agent that has a docker trigger."""
    with api_over(api_store) as composed:
        yield composed
