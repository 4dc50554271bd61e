"""How much a cycle asks of a registry, counted by the registry itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.adapters.registry.memory_cache import MemoryCache
from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.container import Container
from chalicelib.ports.registry import Registry
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.docker.registry import ImageRegistry, image_registry

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def place() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


def cycle(registry: Registry, containers: list[Container]) -> list[Container]:
    with ThreadPoolExecutor(10) as workers:
        checks = [
            workers.submit(detect, container, registry, compile=Re2Patterns(), now=NOW) for container in containers
        ]
        return [check.result(timeout=60) for check in checks]


def test_a_thousand_containers_of_a_hundred_repositories_cost_what_their_images_cost(place: ImageRegistry) -> None:
    digests = {}
    for number in range(100):
        digests[number] = place.push_image(f"fleet/app{number}", "1.25")
    containers = [
        a_container(place.reference(f"fleet/app{number % 100}", "1.25"), repo_digests=[digests[number % 100]])
        for number in range(1000)
    ]
    registries = Registries({}, SystemClock())
    mark = len(place.access_log())
    checked = cycle(registries.cycle(), containers)
    registries.close()
    assert [container.error for container in checked] == [None] * 1000
    asked = Counter((access.method, access.path.partition("?")[0]) for access in place.requests_since(mark))
    lists = {path: count for (_, path), count in asked.items() if path.endswith("/tags/list")}
    manifests = {path: count for (_, path), count in asked.items() if "/manifests/" in path}
    assert len(lists) == 100 and set(lists.values()) == {1}
    assert len(manifests) == 100 and set(manifests.values()) == {1}
    assert sum(asked.values()) == 200


def test_a_moved_image_costs_each_manifest_once_for_all_its_containers(place: ImageRegistry) -> None:
    old = place.push_image("moved", "stable", labels={"build": "1"})
    place.push_image("moved", "stable", labels={"build": "2"})
    registries = Registries({}, SystemClock())
    mark = len(place.access_log())
    cycle(registries.cycle(), [a_container(place.reference("moved", "stable"), repo_digests=[old])] * 50)
    asked = Counter(access.path for access in place.requests_since(mark))
    assert set(asked.values()) == {1} and len(asked) == 4
    # What a digest stands for is known now: the next cycle asks for the tag alone.
    mark = len(place.access_log())
    cycle(registries.cycle(fresh=True), [a_container(place.reference("moved", "stable"), repo_digests=[old])] * 50)
    registries.close()
    assert [access.method for access in place.requests_since(mark)] == ["HEAD"]


def test_one_question_within_the_window_serves_every_agent(place: ImageRegistry) -> None:
    digest = place.push_image("shared", "1.25")
    cache = MemoryCache(SystemClock())
    agents = [Registries({}, SystemClock(), cache=cache, window=timedelta(minutes=1)) for _ in range(5)]
    mark = len(place.access_log())
    for agent in agents:
        checked = cycle(agent.cycle(), [a_container(place.reference("shared", "1.25"), repo_digests=[digest])])
        assert checked[0].error is None
    assert len(place.requests_since(mark)) == 2
    cycle(agents[0].cycle(fresh=True), [a_container(place.reference("shared", "1.25"), repo_digests=[digest])])
    assert len(place.requests_since(mark)) == 4
    for agent in agents:
        agent.close()
