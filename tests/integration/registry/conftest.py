"""Owns the fixtures of the registry tests: two scripted servers and the adapter that asks them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.builders.registry_client import TAGS, Client
from tests.builders.scripted_registry import Scripted, ScriptedRegistry, scripted_registry


@pytest.fixture
def place() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as found:
        yield found


@pytest.fixture
def other() -> Iterator[ScriptedRegistry]:
    with scripted_registry(lambda asked: Scripted(body=TAGS)) as found:
        yield found


@pytest.fixture
def client() -> Iterator[Client]:
    found = Client()
    yield found
    for registries in found.opened:
        registries.close()
