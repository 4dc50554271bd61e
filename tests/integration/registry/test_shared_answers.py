"""What one agent of a fleet asked a registry no other asks again: answers go through the store for a short window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.dynamo.registry_cache import DynamoRegistryCache
from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.adapters.registry.memory_cache import MemoryCache
from chalicelib.adapters.registry.registries import Registries
from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.container import Container
from chalicelib.ports.registry import Answer, Registry, RegistryCache
from chalicelib.usecases.detect import detect
from tests.builders.detection import a_container
from tests.docker.registry import ImageRegistry, image_registry
from tests.fakes.services import StillClock
from tests.store_process import running_store

WINDOW = timedelta(minutes=1)


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_store(tmp_path_factory.mktemp("shared-answers")) as store:
        yield Services(load({"AWS_ENDPOINT_URL": store.url}))


@pytest.fixture(scope="module")
def place() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


@pytest.fixture
def agents(services: Services) -> Iterator[list[Registries]]:
    """Two agents that know each other by nothing but the store."""
    clock = SystemClock()
    found = [Registries({}, clock, cache=DynamoRegistryCache(services.tables, clock), window=WINDOW) for _ in range(2)]
    yield found
    for one in found:
        one.close()


def fleet(place: ImageRegistry, prefix: str, repositories: int = 8) -> list[Container]:
    found = []
    for number in range(repositories):
        digest = place.push_image(f"{prefix}/app{number}", "1.25")
        found.append(a_container(place.reference(f"{prefix}/app{number}", "1.25"), repo_digests=[digest]))
    return found


def check(registry: Registry, containers: list[Container]) -> list[str | None]:
    now = datetime.now(UTC)
    with ThreadPoolExecutor(4) as workers:
        checks = [workers.submit(detect, one, registry, compile=Re2Patterns(), now=now) for one in containers]
        return [done.result(timeout=60).error for done in checks]


def asked(place: ImageRegistry, mark: int) -> Counter[str]:
    return Counter(f"{one.method} {one.path}" for one in place.requests_since(mark))


def test_two_agents_that_scan_one_after_the_other_ask_once(place: ImageRegistry, agents: list[Registries]) -> None:
    containers = fleet(place, "sequence")
    mark = len(place.access_log())
    for agent in agents:
        assert check(agent.cycle(), containers) == [None] * len(containers)
    assert set(asked(place, mark).values()) == {1}


def test_two_agents_that_scan_at_the_same_moment_ask_once(place: ImageRegistry, agents: list[Registries]) -> None:
    containers = fleet(place, "together")
    mark = len(place.access_log())
    with ThreadPoolExecutor(2) as both:
        scans = [both.submit(check, agent.cycle(), containers) for agent in agents]
        assert [scan.result(timeout=60) for scan in scans] == [[None] * len(containers)] * 2
    assert set(asked(place, mark).values()) == {1}


def test_agents_told_together_to_look_again_ask_once_more_between_them(
    place: ImageRegistry, agents: list[Registries]
) -> None:
    containers = fleet(place, "by-hand", 2)
    check(agents[0].cycle(), containers)
    mark, wished = len(place.access_log()), datetime.now(UTC)
    for agent in agents:
        check(agent.cycle(since=wished), containers)
    assert set(asked(place, mark).values()) == {1} and asked(place, mark)


def test_what_a_digest_stands_for_is_never_asked_twice_in_a_fleet(
    place: ImageRegistry, agents: list[Registries]
) -> None:
    old = place.push_image("moved", "stable", labels={"build": "1"})
    place.push_image("moved", "stable", labels={"build": "2"})
    containers = [a_container(place.reference("moved", "stable"), repo_digests=[old])]
    check(agents[0].cycle(), containers)
    mark = len(place.access_log())
    check(agents[1].cycle(fresh=True), containers)
    assert [one.method for one in place.requests_since(mark)] == ["HEAD"]


def test_an_agent_that_is_alone_keeps_the_store_out_of_it(
    place: ImageRegistry, agents: list[Registries], services: Services
) -> None:
    containers = fleet(place, "alone", 1)
    check(agents[0].cycle(alone=True), containers)
    mark = len(place.access_log())
    check(agents[1].cycle(), containers)
    assert asked(place, mark)


def test_a_failed_question_is_asked_by_the_next_agent_at_once(place: ImageRegistry, agents: list[Registries]) -> None:
    containers = [a_container(place.reference("nowhere/to-be-found", "1.25"))]
    before = datetime.now(UTC)
    for agent in agents:
        assert check(agent.cycle(), containers) != [None]
    assert datetime.now(UTC) - before < timedelta(seconds=5)


@pytest.fixture(params=["memory", "store"])
def cache(request: pytest.FixtureRequest, services: Services) -> tuple[RegistryCache, StillClock]:
    clock = StillClock(datetime.now(UTC))
    if request.param == "memory":
        return MemoryCache(clock), clock
    return DynamoRegistryCache(services.tables, clock), clock


def test_an_answer_is_forgotten_when_its_time_is_over(cache: tuple[RegistryCache, StillClock]) -> None:
    answers, clock = cache
    answers.put("kept", Answer("1.0\n1.1", '"etag"', clock.now()), 60)
    kept = answers.get("kept")
    assert kept is not None and (kept.text, kept.etag) == ("1.0\n1.1", '"etag"')
    clock.sleep(61)
    assert answers.get("kept") is None


def test_only_one_reserves_a_question_until_its_answer_is_there(cache: tuple[RegistryCache, StillClock]) -> None:
    answers, clock = cache
    assert answers.reserve("asked", None, 8)
    assert not answers.reserve("asked", None, 8)
    answers.put("asked", Answer("1.0", None, clock.now()), 60)
    assert not answers.reserve("asked", None, 8), "an answer came meanwhile: it must be read first"
    assert answers.reserve("asked", answers.get("asked"), 8)


def test_a_reservation_ends_by_release_and_by_itself(cache: tuple[RegistryCache, StillClock]) -> None:
    answers, clock = cache
    assert answers.reserve("given-up", None, 8)
    answers.release("given-up")
    assert answers.reserve("given-up", None, 8)
    clock.sleep(9)
    assert answers.reserve("given-up", None, 8)


def test_a_question_of_any_length_has_a_place(cache: tuple[RegistryCache, StillClock]) -> None:
    answers, clock = cache
    answers.put("x" * 5000, Answer("1.0", None, clock.now()), 60)
    assert answers.get("x" * 5000) == Answer("1.0", None, clock.now())
