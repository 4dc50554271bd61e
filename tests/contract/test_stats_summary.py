"""What all containers use together, over a store that a host has sampled into."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.stats import Sample
from chalicelib.wire import schemas
from handlers.dispatch import dispatch, table
from tests.builders.api import Api
from tests.builders.containers import NOW, container
from tests.builders.requests import request
from tests.fakes.looking_host import LookingHost

SUMMARY = "/api/v1/stats/summary"
WEB, DB, OLD, FAR = container("web"), container("db"), container("old", status="exited"), container("far", agent="nas")


def sample(cpu: float, memory: int, limit: int = 1000, seconds: int = 0) -> Sample:
    return Sample(NOW + timedelta(seconds=seconds), cpu, memory, limit, 0, 0, 0, 0)


@pytest.fixture
def fleet(api: Api) -> Api:
    """Two agents with samples of what runs, and of a container that has stopped since."""
    api.host.silent = True
    api.report(agent="nas")
    api.add(WEB, DB, OLD, FAR)
    put_fleet = api.services.samples.put_fleet
    put_fleet("local", {WEB.identity.key: sample(30, 100), DB.identity.key: sample(150, 300, seconds=2)}, NOW)
    put_fleet("nas", {FAR.identity.key: sample(0, 200, 2000, seconds=1)}, NOW)
    return api


def summary(api: Api) -> Any:
    body = api.get(SUMMARY).must_be(200)
    schemas.check("StatsSummary", body)
    return body["data"]


def test_the_sums_are_of_all_agents(fleet: Api) -> None:
    found = summary(fleet)
    assert (found["watchedCount"], found["avgCpuPercent"]) == (3, 60.0)
    assert (found["totalMemoryUsageBytes"], found["totalMemoryLimitBytes"]) == (600, 4000)
    assert (found["totalMemoryPercent"], found["timestamp"]) == (15.0, "2026-11-23T12:00:02.000Z")


def test_those_that_use_most_come_first(fleet: Api) -> None:
    found = summary(fleet)
    assert [(one["name"], one["cpuPercent"]) for one in found["topCpu"]] == [("db", 150), ("web", 30), ("far", 0)]
    assert [(one["name"], one["memoryPercent"]) for one in found["topMemory"]] == [("db", 30), ("far", 10), ("web", 10)]
    assert found["topCpu"][0]["id"] == DB.id


def test_five_are_named_at_most_and_equals_by_name(api: Api) -> None:
    api.host.silent = True
    many = [container(name) for name in ("g", "f", "e", "d", "c", "b", "a")]
    api.add(*many)
    api.services.samples.put_fleet("local", {one.identity.key: sample(1, 1) for one in many}, NOW)
    assert [one["name"] for one in summary(api)["topCpu"]] == ["a", "b", "c", "d", "e"]


def test_a_container_that_has_stopped_uses_nothing(fleet: Api) -> None:
    fleet.add(replace(DB, status="exited"))
    assert [one["name"] for one in summary(fleet)["topCpu"]] == ["web", "far"]


def test_without_any_container_there_is_nothing_to_sum(api: Api) -> None:
    found = summary(api)
    assert (found["watchedCount"], found["totalMemoryPercent"], found["topCpu"]) == (0, 0, [])
    assert "timestamp" not in found


def test_the_first_to_ask_waits_for_the_first_sample(api: Api) -> None:
    api.host = LookingHost(api.services)
    vars(api.services)["queue"] = api.host
    api.add(WEB)
    assert summary(api)["watchedCount"] == 1


class TestStream:
    """`/api/v1/stats/summary/stream`."""

    @staticmethod
    def events(api: Api, seconds: float | None = None) -> Iterator[tuple[str, Any]]:
        response = dispatch(replace(request("GET", f"{SUMMARY}/stream"), stream_seconds=seconds), api.services, table())
        assert response.media_type == "text/event-stream"
        assert isinstance(response.body, Iterator)
        for chunk in response.body:
            fields = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if ": " in line)
            if "event" in fields:
                yield fields["event"], json.loads(fields["data"])

    def test_it_begins_with_what_there_is_and_goes_on_with_what_is_new(self, fleet: Api) -> None:
        events = self.events(fleet)
        name, first = next(events)
        assert (name, first) == ("dd:stats-summary", summary(fleet))
        fleet.services.samples.put_fleet("local", {WEB.identity.key: sample(50, 100, seconds=10)}, NOW)
        assert next(events)[1]["timestamp"] == "2026-11-23T12:00:10.000Z"

    def test_a_heartbeat_comes_every_fifteen_seconds(self, fleet: Api) -> None:
        events = self.events(fleet)
        began = fleet.services.clock.now()
        assert [next(events)[0] for _ in range(3)] == ["dd:stats-summary", "dd:heartbeat", "dd:heartbeat"]
        assert timedelta(seconds=29) <= fleet.services.clock.now() - began <= timedelta(seconds=32)

    def test_it_ends_after_an_hour_so_that_a_revoked_token_is_found_out(self, api: Api) -> None:
        names = [name for name, _ in self.events(api)]
        assert (names[0], len(names)) == ("dd:stats-summary", 241)

    def test_a_host_that_cannot_stream_gets_what_there_is_at_once(self, fleet: Api) -> None:
        began = fleet.services.clock.now()
        assert [name for name, _ in self.events(fleet, seconds=12)] == ["dd:stats-summary"]
        assert fleet.services.clock.now() == began
        drained = fleet.get(f"{SUMMARY}/stream").body.decode()
        assert drained.startswith("retry: 10000\n\nevent: dd:stats-summary\n")
