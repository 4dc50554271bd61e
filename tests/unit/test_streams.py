"""One stream of the engine for all viewers of a container: who comes when, and how slow, costs nobody a line."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.connection import Connection
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.wire import log as wire
from local_runtime.executor.observing import viewer as viewer_module
from local_runtime.executor.observing.streams import Streams
from tests.fakes.services import NOON, StillClock

WEB = Identity("local", "local", "web")


class Log:
    """An engine with one running container, whose log a test writes; a stream is open once `may_follow` is set."""

    def __init__(self) -> None:
        self.written: list[LogLine] = []
        self.asked: list[LogQuery] = []
        self.may_follow = threading.Event()
        self.may_follow.set()
        self.changed = threading.Condition()

    def write(self, *texts: str) -> None:
        with self.changed:
            for text in texts:
                at = NOON + timedelta(seconds=len(self.written))
                self.written.append(LogLine("stdout", f"{at:%Y-%m-%dT%H:%M:%S}.000000001Z", text))
            self.changed.notify_all()

    def inspect(self, _container: str) -> dict[str, Any]:
        return {"State": {"Running": True}}

    def logs(self, _container: str, query: LogQuery) -> Reading:
        self.asked.append(query)
        if query.follow:
            self.may_follow.wait(20)
        with self.changed:
            given = [line for line in self.written if after(line, query.since)]
            first = given[max(0, len(given) - query.tail) :]
            return Reading(self, query, first, len(self.written))


def after(line: LogLine, since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(line.ts) >= since


class Reading(Iterator[Sequence[LogLine]]):
    """One request of the log: what there was, then what is written, as long as it is followed."""

    def __init__(self, log: Log, query: LogQuery, first: Sequence[LogLine], position: int) -> None:
        self._log, self._query = log, query
        self._ready = list(first)
        self._position = position
        self._closed = False

    def __next__(self) -> Sequence[LogLine]:
        with self._log.changed:
            while not self._ready and self._query.follow and not self._closed:
                new = self._log.written[self._position :]
                self._position += len(new)
                self._ready = [line for line in new if after(line, self._query.since)]
                if not self._ready:
                    self._log.changed.wait(1)
            if not self._ready or self._closed:
                raise StopIteration
            return [self._ready.pop(0)]

    def close(self) -> None:
        with self._log.changed:
            self._closed = True
            self._log.changed.notify_all()


class Viewers:
    """Connections whose viewers take what they are sent, unless they are named in `stuck`."""

    def __init__(self) -> None:
        self.got: dict[str, list[str]] = {}
        self.closed: dict[str, int] = {}
        self.stuck: dict[str, threading.Event] = {}

    def encode(self, lines: Iterable[LogLine]) -> bytes:
        return wire.frames(lines)

    def post(self, connection: Connection, frames: bytes, number: int) -> None:
        if connection.id in self.stuck:
            self.stuck[connection.id].wait(20)
        self.got.setdefault(connection.id, []).extend(json.loads(frame)["line"] for frame in frames.splitlines())

    def require(self, connection: Connection) -> None: ...

    def close(self, connection: Connection, code: int, reason: str) -> None:
        self.closed[connection.id] = code


class Site:
    """Streams over that log and those viewers."""

    def __init__(self) -> None:
        self.log, self.viewers = Log(), Viewers()
        self.streams = Streams(self.viewers, StillClock())  # type: ignore[arg-type]

    def open(self, name: str, query: LogQuery) -> None:
        arguments = about(WEB, "a" * 64) | {"query": query.arguments()}
        arguments["connection"] = Connection(name, "http://here", many=True).arguments()
        command = Command(name, "local", CommandKind.STREAM_LOGS, NOON, arguments)
        self.streams.open(command, self.log)  # type: ignore[arg-type]

    def got(self, name: str) -> list[str]:
        return self.viewers.got.get(name, [])


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.streams.stop()


def within(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def following(tail: int, since: datetime | None = None) -> LogQuery:
    return LogQuery(tail=tail, since=since, follow=True)


def test_who_comes_while_the_stream_is_being_opened_misses_nothing(site: Site) -> None:
    site.log.may_follow.clear()
    site.log.write("before")
    site.open("first", following(0))
    within(lambda: len(site.log.asked) == 1)
    site.open("second", following(10))
    within(lambda: site.streams.counts["viewers"] == 2)
    time.sleep(0.2)
    site.log.write("meanwhile")
    site.log.may_follow.set()
    within(lambda: "meanwhile" in site.got("second"))
    site.log.write("after")
    within(lambda: site.got("first") == ["after"] and "after" in site.got("second"))
    assert site.got("second") == ["before", "meanwhile", "after"]


def test_who_wants_what_is_yet_to_come_keeps_nothing_from_the_others(site: Site) -> None:
    site.open("patient", following(10, NOON + timedelta(seconds=2)))
    within(lambda: len(site.log.asked) == 1)
    site.open("plain", following(10))
    within(lambda: len(site.log.asked) == 2)
    site.log.write("now", "soon", "then")
    within(lambda: site.got("plain") == ["now", "soon", "then"])
    within(lambda: site.got("patient") == ["then"])
    site.open("another", following(0))
    within(lambda: site.streams.counts == {"viewers": 3, "sources": 2})


def test_who_catches_up_slowly_holds_up_nobody_and_gets_every_line(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewer_module, "CATCH_UP_SECONDS", 0.0)
    site.log.write("old")
    site.open("quick", following(0))
    within(lambda: len(site.log.asked) == 1)
    site.viewers.stuck["slow"] = threading.Event()
    site.open("slow", following(10))
    within(lambda: len(site.log.asked) == 2)
    lines = [f"{number:03} {'x' * 100_000}" for number in range(100)]
    for line in lines:
        site.log.write(line)
        within(lambda wanted=line: site.got("quick")[-1:] == [wanted])  # type: ignore[misc]
    site.viewers.stuck["slow"].set()
    within(lambda: len(site.got("slow")) == 101)
    assert site.got("quick") == lines
    assert site.got("slow") == ["old", *lines]
    site.log.write("new")
    within(lambda: site.got("slow")[-1] == site.got("quick")[-1] == "new")
    assert site.viewers.closed == {}


def test_a_newcomer_to_a_loud_container_ousts_nobody(site: Site) -> None:
    gate = site.viewers.stuck["first"] = site.viewers.stuck["second"] = threading.Event()
    site.open("first", following(0))
    within(lambda: len(site.log.asked) == 1)
    lines = [f"{number:03} {'x' * 100_000}" for number in range(100)]
    site.log.write(*lines)
    time.sleep(0.3)
    site.open("second", following(0))
    within(lambda: len(site.log.asked) == 2)
    time.sleep(0.7)
    gate.set()
    within(lambda: site.got("first") == lines)
    within(lambda: site.got("second")[-1:] == lines[-1:])
    assert site.got("second") == lines[-len(site.got("second")) :]
    assert site.viewers.closed == {}


def test_who_falls_far_behind_another_is_told_so_and_holds_up_nobody(site: Site) -> None:
    for name in ("quick", "slow"):
        site.open(name, following(0))
    within(lambda: site.streams.counts == {"viewers": 2, "sources": 1})
    site.log.write("both")
    within(lambda: site.got("quick") == site.got("slow") == ["both"])
    site.viewers.stuck["slow"] = threading.Event()
    lines = [f"{number:03} {'x' * 100_000}" for number in range(100)]
    site.log.write(*lines)
    within(lambda: site.got("quick") == ["both", *lines])
    within(lambda: site.viewers.closed == {"slow": 1013})
    site.viewers.stuck["slow"].set()


def test_a_viewer_whose_host_fails_while_it_is_given_the_history_is_told_to_begin_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("no answer")

    site.log.write("old")
    site.open("first", following(0))
    within(lambda: len(site.log.asked) == 1)
    monkeypatch.setattr(site.viewers, "post", fail)
    site.open("second", following(10))
    within(lambda: site.viewers.closed == {"second": 1011})
