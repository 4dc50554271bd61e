"""How watching goes is told at `/registries` and `/watchers`: pauses hosts asked for, quota left, a cycle under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.agent import Agent
from chalicelib.ports.registry import RegistryLimited
from local_runtime.executor.watching.progress import Progress
from tests.builders.api import NOW, Api
from tests.builders.registry_client import TAGS, Client, tags
from tests.builders.scripted_registry import Scripted, ScriptedRegistry, scripted_registry


@pytest.fixture
def place() -> Iterator[ScriptedRegistry]:
    with scripted_registry() as found:
        yield found


def test_a_host_that_asked_for_a_pause_is_shown_with_its_end_and_what_is_left_of_its_quota(
    api: Api, place: ScriptedRegistry
) -> None:
    client = Client()
    registries = client.with_account(place)
    quota = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "7;w=21600"}
    place.answer = lambda asked: Scripted(body=TAGS, headers=quota)
    tags(registries, place)
    place.answer = lambda asked: Scripted(429, headers={"Retry-After": "600"})
    with suppress(RegistryLimited):
        tags(registries, place)
    api.services.agents.report(Agent("local", facts={"registries": registries.described()}), NOW)
    registries.close()
    shown = {one["id"]: one for one in api.get("/api/v1/registries").must_be(200)["data"]}
    until = (client.clock.now() + timedelta(seconds=600)).replace(microsecond=0)
    (host,) = shown["custom.own"]["metadata"]["hosts"]
    assert (host["host"], host["remaining"], host["limit"]) == (place.address, 7, 100)
    assert datetime.fromisoformat(host["limitedUntil"]) == until
    assert shown["hub.public"].get("metadata", {}) == {}, "another host is not slowed down by it"
    assert "lovelace" not in str(shown)


def test_a_cycle_is_shown_while_it_runs_and_afterwards(api: Api) -> None:
    progress = Progress("local", Client().clock)

    def shown() -> dict[str, object]:
        facts = {"engine": "unix:///s", "cron": "0 * * * *", "progress": progress.facts()}
        api.services.agents.report(Agent("local", watchers={"local": facts}), NOW)
        found: dict[str, object] = api.get("/api/v1/watchers/docker/local").must_be(200)["metadata"]
        return found

    progress.begin()
    progress.expect(10)
    for number in range(4):
        progress.step(failed=number == 0)
    now = shown()
    assert (now["running"], now["checked"], now["total"], now["errors"]) == (True, 4, 10, 1)
    progress.end(None)
    done = shown()
    assert (done["running"], done["lastChecked"], done["lastErrors"]) == (False, 4, 1) and "checked" not in done
