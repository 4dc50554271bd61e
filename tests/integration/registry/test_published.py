"""Push dates from the registries that tell them, and nothing worse than no date when they do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.adapters.registry.client import RegistryClient
from chalicelib.adapters.registry.credentials import Account, read_instances
from chalicelib.adapters.registry.cycle import Cycle
from chalicelib.adapters.registry.memory_cache import MemoryCache
from chalicelib.adapters.registry.published import PublishDates
from chalicelib.adapters.registry.transport import Transport
from chalicelib.domain.reference import Reference
from tests.builders.scripted_registry import Asked, Scripted, ScriptedRegistry
from tests.fakes.services import StillClock

Ask = Callable[..., datetime | None]


@pytest.fixture
def ask(place: ScriptedRegistry) -> Ask:
    clock = StillClock()
    transport = Transport(clock, timeout=2)
    dates = PublishDates(transport, hub_api=place.url, github_api=place.url)

    def published(image: str, account: Account | None = None) -> datetime | None:
        reference = Reference.parse(image)
        instance = next(found for found in read_instances({}) if found.owns(reference.host))
        return dates.of(RegistryClient(reference.host, instance, lambda: account, transport, clock), reference)

    return published


def test_docker_hub_tells_when_a_tag_was_pushed(place: ScriptedRegistry, ask: Ask) -> None:
    place.answer = lambda asked: Scripted(
        body=b'{"tag_last_pushed": "2025-01-02T03:04:05.678901Z", "last_updated": "2025-02-02T00:00:00Z"}'
    )
    assert ask("nginx:1.25") == datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    assert place.paths == ["/v2/repositories/library/nginx/tags/1.25"]


def test_a_fleet_asks_for_a_push_date_once_within_its_window(place: ScriptedRegistry) -> None:
    place.answer = lambda asked: Scripted(body=b'{"tag_last_pushed": "2025-01-02T03:04:05Z"}')
    clock = StillClock()
    shared = MemoryCache(clock)

    def agent() -> Cycle:
        transport = Transport(clock, timeout=2)
        (hub,) = (found for found in read_instances({}) if found.owns("docker.io"))
        client = RegistryClient("docker.io", hub, lambda: None, transport, clock)
        dates = PublishDates(transport, hub_api=place.url)
        return Cycle(lambda host: client, MemoryCache(clock), shared, clock, timedelta(minutes=1), dates)

    image = Reference.parse("nginx:1.25")
    assert {agent().published(image) for _ in range(3)} == {datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)}
    assert len(place.asked) == 1
    clock.sleep(61)
    agent().published(image)
    assert len(place.asked) == 2


def test_docker_hub_may_only_tell_when_a_tag_was_updated(place: ScriptedRegistry, ask: Ask) -> None:
    place.answer = lambda asked: Scripted(body=b'{"last_updated": "2025-02-02T00:00:00Z"}')
    assert ask("grafana/grafana:11.0.0") == datetime(2025, 2, 2, tzinfo=UTC)


def versions(asked: Asked) -> Scripted:
    if asked.path.startswith("/orgs/"):
        return Scripted(404)
    found = [
        {"updated_at": "2025-03-03T00:00:00Z", "metadata": {"container": {"tags": ["2.0", "latest"]}}},
        {"updated_at": "2025-01-01T00:00:00Z", "metadata": {"container": {"tags": ["1.0"]}}},
        {"updated_at": "2024-01-01T00:00:00Z", "metadata": {}},
    ]
    return Scripted(body=json.dumps(found).encode())


def test_github_tells_it_to_who_has_a_token(place: ScriptedRegistry, ask: Ask) -> None:
    place.answer = versions
    assert ask("ghcr.io/owner/group/app:1.0", Account("ada", "t0ken")) == datetime(2025, 1, 1, tzinfo=UTC)
    assert {asked.authorization for asked in place.asked} == {"Bearer t0ken"}
    assert place.paths[-1] == "/users/owner/packages/container/group%2Fapp/versions?per_page=100"


def test_github_is_not_asked_without_a_token(place: ScriptedRegistry, ask: Ask) -> None:
    assert ask("ghcr.io/owner/app:1.0") is None
    assert place.asked == []


@pytest.mark.parametrize("image", ["quay.io/a/b:1", f"nginx@sha256:{'1' * 64}"])
def test_nobody_else_is_asked(place: ScriptedRegistry, ask: Ask, image: str) -> None:
    assert ask(image) is None
    assert place.asked == []


@pytest.mark.parametrize(
    "scripted",
    [
        Scripted(404),
        Scripted(500),
        Scripted(429, headers={"Retry-After": "600"}),
        Scripted(body=b"<html>"),
        Scripted(body=b"[]"),
        Scripted(body=b'{"last_updated": "yesterday"}'),
        Scripted(body=b'{"last_updated": 5}'),
        Scripted(307, headers={"Location": "https://evil.example/"}),
    ],
    ids=lambda scripted: f"{scripted.status} {scripted.body[:20]!r}",
)
def test_no_date_is_no_error(place: ScriptedRegistry, ask: Ask, scripted: Scripted) -> None:
    place.answer = lambda asked: scripted
    assert ask("nginx:1.25") is None
