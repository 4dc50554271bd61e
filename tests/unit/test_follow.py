"""Events of an engine in memory end up in the store: each, in order, and none is missed across a break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.container import Identity
from chalicelib.ports.engine import EngineUnavailable
from local_runtime.executor.watching.follow import Follower
from tests.builders.updates import AGENT, Bench


class Followed(Bench):
    """A bench whose engine is followed; background work is done at once."""

    def follow(self) -> None:
        self.checked: list[str] = []
        self.watcher = self.station().watcher
        self.follower = Follower(self.watcher, self.clock, lambda work: work())
        self.follower.start()
        until(lambda: any(name == "events" for name, _ in self.engine.calls))

    def status(self, name: str) -> str | None:
        found = self.containers.get(Identity(AGENT, "local", name))
        return found.status if found else None


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.01)
    return found


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Followed]:
    made = Followed(tmp_path)
    made.follow()
    yield made
    made.follower.stop()


def new(bench: Followed, name: str = "web", **body: Any) -> str:
    """A container nobody has told the store of."""
    made = bench.engine.create(name, {"Image": "app:1"} | body)
    bench.engine.start(made)
    return made


def test_a_container_that_starts_and_stops_is_stored_so(bench: Followed) -> None:
    made = new(bench)
    until(lambda: bench.status("web") == "running")
    bench.engine.stop(made)
    until(lambda: bench.status("web") == "exited")
    bench.engine.remove(made)
    until(lambda: bench.status("web") is None)


def test_a_renamed_container_is_stored_once(bench: Followed) -> None:
    made = new(bench)
    until(lambda: bench.status("web"))
    bench.engine.rename(made, "site")
    until(lambda: bench.status("site") == "running")
    until(lambda: bench.status("web") is None)


def test_a_copy_set_aside_is_not_stored(bench: Followed) -> None:
    made = new(bench)
    until(lambda: bench.status("web"))
    bench.engine.rename(made, "web-old-1790000000000")
    new(bench, "other")
    until(lambda: bench.status("other"))
    assert bench.status("web") == "running"
    assert bench.status("web-old-1790000000000") is None


def test_what_slipway_changes_itself_is_left_to_it(bench: Followed) -> None:
    made = new(bench)
    until(lambda: bench.status("web"))
    with bench.busy.hold(Identity(AGENT, "local", "web")):
        bench.engine.stop(made)
        new(bench, "other")
        until(lambda: bench.status("other"))
        assert bench.status("web") == "running"


def test_an_engine_that_stumbles_is_asked_again(bench: Followed) -> None:
    bench.engine.fail(on="inspect", times=1)
    new(bench)
    until(lambda: bench.status("web") == "running")


def test_a_store_that_stumbles_is_told_again(bench: Followed) -> None:
    bench.containers.outage.away(before=2)
    new(bench)
    until(lambda: not bench.containers.outage.planned)
    until(lambda: bench.status("web") == "running")


def test_what_happened_while_the_stream_was_broken_is_made_up_for(tmp_path: Path) -> None:
    bench = Followed(tmp_path)
    made = bench.run()
    bench.engine.fail(on="events", times=1, error=EngineUnavailable("gone"))
    bench.follow()
    bench.engine.stop(made)
    new(bench, "other")
    until(lambda: bench.status("web") == "exited" and bench.status("other") == "running")
    bench.follower.stop()


def test_a_stream_that_ends_by_itself_is_opened_again_and_what_happened_meanwhile_made_up_for(bench: Followed) -> None:
    made = new(bench)
    until(lambda: bench.status("web") == "running")
    assert bench.follower._stream is not None
    bench.follower._stream.close()
    bench.engine.stop(made)
    until(lambda: bench.status("web") == "exited")
