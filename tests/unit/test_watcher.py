"""What a watcher shows of its engine: at once or after a while, with the labels of services, and at what cost."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Identity, Result
from chalicelib.domain.labels import SWARM_SERVICE
from local_runtime.executor.tools import Tools
from local_runtime.executor.watching.settling import Settling
from local_runtime.executor.watching.watcher import Watcher
from tests.builders.updates import AGENT, Bench, Directory, Patterns
from tests.fakes.services import StillClock

HEALTH = re.compile(r"\((?:un)?healthy\)")


def checked(containers: Any, since: datetime | None = None) -> Any:
    """As if registries had been asked."""
    return [replace(one, result=Result("1")) for one in containers]


class Watched(Bench):
    """A bench with one watcher that stays."""

    def watch(self, **settings: Any) -> Watcher:
        tools = Tools(
            containers=self.containers,
            operations=self.operations,
            audit=self.audit,
            registries=Directory(),  # type: ignore[arg-type]
            patterns=Patterns(),  # type: ignore[arg-type]
            check=checked,
            clock=self.clock,
            busy=self.busy,
        )
        return Watcher(AGENT, WatcherSettings("local", **settings), self.engine, tools)

    def new(self, name: str, **body: Any) -> str:
        """A container nobody has told the store of; it was made just now."""
        made = self.engine.create(name, {"Image": "app:1"} | body)
        self.engine._find(made).created = self.clock.now().timestamp()
        self.engine.start(made)
        return made

    def shown(self) -> set[str]:
        """The names of what is stored."""
        return {one.name for one in self.containers.of_watcher(AGENT, "local")}

    def cost(self, work: Callable[[], object]) -> Counter[str]:
        """How often each method of the engine was called meanwhile."""
        mark = len(self.engine.calls)
        work()
        return Counter(method for method, _ in self.engine.calls[mark:])


@pytest.fixture
def bench(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def soon(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_container_is_shown_at_once_unless_settings_say_otherwise(bench: Watched) -> None:
    watcher = bench.watch()
    watcher.refresh(bench.new("web"))
    assert bench.shown() == {"web"}


def test_a_new_container_is_shown_once_it_has_settled(bench: Watched) -> None:
    watcher = bench.watch(discovery_settle_ms=200)
    made = bench.new("web")
    assert watcher.refresh(made) is None
    watcher.scan()
    assert bench.shown() == set()
    bench.clock.sleep(1)
    soon(lambda: bench.shown() == {"web"})
    soon(lambda: (one := bench.containers.get(Identity(AGENT, "local", "web"))) and one.result)


def test_what_has_been_there_for_longer_is_shown_by_the_first_scan(bench: Watched) -> None:
    bench.new("web")
    bench.clock.sleep(31)
    bench.watch(discovery_settle_ms=30_000).scan()
    assert bench.shown() == {"web"}


def test_what_is_stored_already_never_settles_again(bench: Watched) -> None:
    made = bench.new("web")
    bench.watch().scan()
    watcher = bench.watch(discovery_settle_ms=30_000)
    bench.engine.rename(made, "site")
    assert watcher.refresh(made) is not None
    watcher.scan()
    assert bench.shown() == {"site"}
    bench.engine.remove(made, force=True)
    bench.new("site")
    watcher.scan()
    assert bench.shown() == {"site"}


def test_a_name_that_compose_makes_up_for_a_moment_is_not_shown(bench: Watched) -> None:
    watcher = bench.watch()
    made = bench.new("0123456789ab_web")
    assert watcher.refresh(made) is None
    watcher.scan()
    assert bench.shown() == set()
    bench.engine.rename(made, "web")
    watcher.refresh(made)
    assert bench.shown() == {"web"}


def test_a_made_up_name_that_stays_is_shown_under_the_name_it_should_have(bench: Watched) -> None:
    watcher = bench.watch()
    bench.new("0123456789ab_web")
    bench.clock.sleep(31)
    watcher.scan()
    assert bench.shown() == {"web"}


def test_a_container_that_compose_recreates_is_never_missing(bench: Watched) -> None:
    """The new one is made beside the old one, which is removed before the new one gets its name."""
    old = bench.new("web")
    watcher = bench.watch()
    watcher.scan()
    new = bench.new(f"{old[:12]}_web")
    watcher.refresh(new)
    watcher.scan()
    bench.engine.remove(old, force=True)
    watcher.forget(old)
    found = bench.containers.get(Identity(AGENT, "local", "web"))
    assert found is not None and found.id == new
    bench.engine.rename(new, "web")
    watcher.refresh(new)
    assert bench.shown() == {"web"}


def test_settling_counts_from_the_first_look_where_the_engines_clock_is_ahead() -> None:
    clock = StillClock(datetime(2026, 11, 23, tzinfo=UTC))
    seen: list[str] = []
    settling = Settling("local", 30, clock, seen.append)
    ahead = clock.now() + timedelta(hours=1)
    assert settling.waits("c1", "web", ahead)
    clock.sleep(29)
    assert settling.waits("c1", "web", ahead)
    clock.sleep(1)
    assert not settling.waits("c1", "web", ahead)


def test_a_container_of_an_engine_whose_clock_is_ahead_is_shown_by_itself() -> None:
    clock, shown = SystemClock(), threading.Event()

    def look(container_id: str) -> None:
        if not settling.waits(container_id, "web", ahead):
            shown.set()

    settling = Settling("local", 0.1, clock, look)
    ahead = clock.now() + timedelta(hours=1)
    assert settling.waits("c1", "web", ahead)
    assert shown.wait(5)


def test_labels_of_a_service_speak_for_its_tasks_that_say_nothing(bench: Watched) -> None:
    bench.engine.services["s1"] = {"dd.display.name": "Of the service", "dd.group": "service", "dd.watch": "true"}
    bench.engine.services["s2"] = {"dd.watch": "false"}
    mine = {SWARM_SERVICE: "s1", "dd.group": "own"}
    for number in range(3):
        bench.new(f"web.{number}", Labels=mine)
    made = bench.new("hidden.1", Labels={SWARM_SERVICE: "s2"})
    bench.new("left.1", Labels={SWARM_SERVICE: "gone"})
    watcher = bench.watch(watch_by_default=False)
    cost = bench.cost(watcher.scan)
    assert bench.shown() == {"web.0", "web.1", "web.2"}
    assert watcher.refresh(made) is None
    found = bench.containers.get(Identity(AGENT, "local", "web.0"))
    assert found is not None
    assert (found.display_name, found.wishes.group, found.labels["dd.group"]) == ("Of the service", "own", "own")
    assert cost["service_labels"] == 3, "each service is asked about once"
    bench.engine.services["s1"]["dd.watch"] = "false"
    watcher.scan()
    assert bench.shown() == set()


def test_what_has_not_changed_is_not_looked_at_again(bench: Watched) -> None:
    ids = [bench.new(f"web-{number}") for number in range(50)]
    watcher = bench.watch()
    assert bench.cost(watcher.scan)["inspect"] == 50
    assert bench.cost(watcher.scan) == {"containers": 1, "image": 1}
    bench.engine.stop(ids[0])
    bench.engine.rename(ids[1], "other")
    bench.engine.remove(ids[2], force=True)
    assert bench.cost(watcher.scan)["inspect"] == 2 + 2, "two that changed, and two names that are gone"
    stored = {one.name: one.status for one in bench.containers.of_watcher(AGENT, "local")}
    assert stored["web-0"] == "exited" and "other" in stored and not {"web-1", "web-2"} & stored.keys()


def test_what_was_told_to_have_changed_is_looked_at_again(bench: Watched) -> None:
    made = bench.new("web")
    watcher = bench.watch()
    watcher.scan()
    started = bench.containers.get(Identity(AGENT, "local", "web")).details.started_at  # type: ignore[union-attr]
    bench.engine.advance(60)
    bench.engine.restart(made)
    watcher.refresh(made)
    watcher.scan()
    now = bench.containers.get(Identity(AGENT, "local", "web")).details.started_at  # type: ignore[union-attr]
    assert started is not None and now is not None and now > started


def test_what_happens_while_it_is_looked_at_makes_the_look_an_old_one(bench: Watched) -> None:
    made = bench.new("web")
    watcher = bench.watch()
    inspect = bench.engine.inspect

    def restarted_meanwhile(container: str) -> Any:
        document = inspect(container)
        bench.engine.inspect = inspect  # type: ignore[method-assign]
        bench.engine.advance(60)
        bench.engine.restart(made)
        watcher.refresh(made)
        return document

    bench.engine.inspect = restarted_meanwhile  # type: ignore[method-assign]
    watcher.scan()
    assert bench.cost(watcher.scan)["inspect"] == 1
    found = bench.containers.get(Identity(AGENT, "local", "web"))
    assert found is not None and found.details.started_at is not None
    assert found.details.started_at.timestamp() == pytest.approx(bench.engine.now, abs=0.001)


def test_an_image_that_gets_another_digest_is_seen_though_its_containers_are_as_they_were(bench: Watched) -> None:
    bench.new("web")
    watcher = bench.watch()
    watcher.scan()
    before = bench.containers.get(Identity(AGENT, "local", "web"))
    next(iter(bench.engine._images.values())).digests.add(f"app@sha256:{'e' * 64}")
    watcher.scan()
    after = bench.containers.get(Identity(AGENT, "local", "web"))
    assert before is not None and after is not None
    assert before.image.digest.repo_digests != after.image.digest.repo_digests


@pytest.mark.parametrize("way", ["by hand", "after a break", "without events"])
def test_everything_is_looked_at_when_something_may_have_been_missed(bench: Watched, way: str) -> None:
    bench.new("web")
    watcher = bench.watch(watch_events=way != "without events")
    watcher.scan()
    again = {
        "by hand": lambda: watcher.scan(since=bench.clock.now()),
        "after a break": watcher.catch_up,
        "without events": watcher.scan,
    }
    assert bench.cost(again[way])["inspect"] == 1


@pytest.mark.parametrize(
    ("status", "again"),
    [
        ("Up 10 minutes", False),
        ("Up 9 minutes (healthy)", False),
        ("Up 8 minutes (healthy)", True),
        ("Up Less than a second", True),
        ("Up 1 second", True),
        ("Up About a minute", True),
        ("Up About an hour (unhealthy)", False),
        ("Up 2 weeks (Paused)", False),
        ("Exited (0) 3 minutes ago", True),
        ("Exited (137) 3 months ago", False),
        ("Restarting (1) 5 seconds ago", True),
        ("Created", False),
        ("Dead", True),
        (None, True),
    ],
)
def test_after_a_break_only_what_may_have_started_or_ended_meanwhile_is_looked_at(
    bench: Watched, status: str | None, again: bool
) -> None:
    bench.new("web")
    listed = bench.engine.containers
    # Another state of its health would be a reason by itself.
    health = HEALTH.search(status or "")
    told: list[str | None] = [f"Up 5 seconds {health[0] if health else ''}"]
    bench.engine.containers = lambda all=False: [  # type: ignore[method-assign]
        dict(one) | ({"Status": told[-1]} if told[-1] else {}) for one in listed(all=all)
    ]
    watcher = bench.watch()
    watcher.scan()
    bench.clock.sleep(600)
    told.append(status)
    assert bench.cost(watcher.catch_up)["inspect"] == int(again)
