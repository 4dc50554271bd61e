"""Owns the fixtures of the docker tests: one private engine and one private registry for the whole run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docker.rig import EngineHost, ImageRegistry, docker_engine, image_registry


@pytest.fixture(scope="session")
def engine_host() -> Iterator[EngineHost]:
    with docker_engine() as host:
        yield host


@pytest.fixture(scope="session")
def registry() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found
