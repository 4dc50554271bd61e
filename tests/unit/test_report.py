"""What an executor tells of itself: counts of what registries answered go on from one life to the next."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.agent import Agent
from local_runtime.executor.reporting.report import Report
from local_runtime.executor.security.bulletin import Bulletin
from tests.fakes.policies import FakeAgents
from tests.fakes.services import NOON, StillClock, settings_with


@dataclass
class CountedRegistries:
    """Registries that were asked as often as a test says."""

    counted: dict[str, tuple[int, float]]

    def described(self) -> list[Any]:
        return []

    def responses(self) -> dict[str, tuple[int, float]]:
        return self.counted


@dataclass
class ExecutorServices:
    """What a report needs."""

    agents: FakeAgents
    registries: CountedRegistries
    settings: Settings = field(default_factory=lambda: settings_with(data=Path(tempfile.mkdtemp())))
    clock: StillClock = field(default_factory=StillClock)
    started_at: datetime = NOON


def reported(agents: FakeAgents, counted: dict[str, tuple[int, float]], times: int = 1) -> Any:
    """What is stored once an executor with these counts has come up and reported."""
    services = ExecutorServices(agents, CountedRegistries(counted))
    report = Report(cast(Services, services), "owner", {}, dict, Bulletin(services.clock))
    report.start()
    for _ in range(times - 1):
        report.send()
    report.stop()
    stored = agents.get("local")
    assert stored is not None
    return stored.facts["responses"]


def test_a_report_may_be_started_again_when_the_store_was_away_for_what_comes_after_it() -> None:
    agents = FakeAgents()
    services = ExecutorServices(agents, CountedRegistries({}))
    report = Report(cast(Services, services), "owner", {}, dict, Bulletin(services.clock))
    report.start()
    report.start()
    report.stop()
    assert agents.get("local") is not None


def test_a_first_life_reports_what_it_counted() -> None:
    assert reported(FakeAgents(), {"hub.public": (3, 1.25)}) == {"hub.public": [3, 1.25]}


def test_a_next_life_goes_on_counting_where_the_last_one_ended() -> None:
    agents = FakeAgents()
    reported(agents, {"hub.public": (3, 1.25), "ghcr.public": (1, 0.5)})
    assert reported(agents, {"hub.public": (2, 0.5)}) == {"hub.public": [5, 1.75], "ghcr.public": [1, 0.5]}


def test_reporting_often_counts_once() -> None:
    agents = FakeAgents()
    reported(agents, {"hub.public": (3, 1.25)})
    assert reported(agents, {"hub.public": (1, 1.0)}, times=5) == {"hub.public": [4, 2.25]}


def test_an_agent_of_an_older_release_counts_from_nothing() -> None:
    agents = FakeAgents()
    agents.report(Agent("local", facts={"registries": []}), NOON)
    assert reported(agents, {"hub.public": (1, 0.1)}) == {"hub.public": [1, 0.1]}


def test_a_report_says_what_the_host_has() -> None:
    agents = FakeAgents()
    reported(agents, {})
    stored = agents.get("local")
    assert stored is not None
    assert stored.facts["cpus"] >= 1
    assert 0 < stored.facts["memoryGb"] < 1_000_000
