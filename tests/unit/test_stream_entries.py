"""Slipway's own log as a stream: whoever writes it sends it, and keeps on until the viewer has left."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.agent import Agent
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log_entry import EntryQuery, LogEntry
from chalicelib.ports.connections import Gone
from chalicelib.usecases.let_viewers_go import forget_orders
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.stream_entries import send_entries, stream_entries, tend_viewers
from chalicelib.wire import log_ring as wire
from handlers.gateway_sockets import connected, left, tended
from local_runtime.executor.observing.own_log import OwnLog
from tests.builders.requests import ADA
from tests.fakes.queue import FakeQueue
from tests.fakes.services import FakeServices, StillClock
from tests.fakes.stores import FakeCommands

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
VIEWER = Connection("c-1", "https://gateway.test/prod")


@dataclass
class Agents:
    found: list[Agent]

    def all(self) -> list[Agent]:
        return self.found


@dataclass
class Posts:
    """Connections that keep what is posted to them."""

    gone: set[str] = field(default_factory=set)
    mute: bool = False
    frames: list[dict[str, str]] = field(default_factory=list)
    required: int = 0

    def encode_entries(self, entries: Iterable[LogEntry]) -> bytes:
        return wire.frames(entries)

    def post(self, connection: Connection, frames: bytes, _number: int) -> None:
        self.require(connection)
        self.frames += map(json.loads, frames.splitlines())

    def require(self, connection: Connection) -> None:
        self.required += 1
        if connection.id in self.gone:
            raise Gone("it has left")
        if self.mute:
            raise Unavailable("nobody answers")

    def close(self, connection: Connection, code: int, reason: str) -> None:
        raise AssertionError("others send to it as well")


@dataclass
class Bench:
    commands: FakeCommands = field(default_factory=FakeCommands)
    queue: FakeQueue = field(default_factory=FakeQueue)
    clock: StillClock = field(default_factory=StillClock)
    agents: Agents = field(default_factory=lambda: Agents([Agent("attic", NOON), Agent("cellar")]))
    posts: Posts = field(default_factory=Posts)

    @property
    def ordering(self) -> Ordering:
        return Ordering(self.agents, self.commands, self.queue, self.clock, timedelta(0))  # type: ignore[arg-type]

    def tend(self) -> int:
        return tend_viewers(self.ordering, self.posts)  # type: ignore[arg-type]

    def told(self, agent: str) -> list[Command]:
        return self.commands.of_kind(agent, CommandKind.STREAM_ENTRIES)

    def send(self, *entries: LogEntry) -> None:
        send_entries(entries, self.commands, self.posts)  # type: ignore[arg-type]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def entry(number: int, level: str = "info") -> LogEntry:
    return LogEntry(NOON + timedelta(seconds=number), level, "executor.worker", f"message {number}", "here", number)


def within(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_every_executor_that_is_there_is_told_once_and_others_when_they_come(bench: Bench) -> None:
    stream_entries(EntryQuery(level="warn"), VIEWER, bench.ordering)
    (told,) = bench.told("attic")
    assert EntryQuery.of(told.arguments["query"]) == EntryQuery(level="warn")
    assert Connection.of(told.arguments["connection"]) == VIEWER
    assert bench.told("cellar") == []
    bench.agents.found[1] = Agent("cellar", NOON)
    assert bench.tend() == bench.tend() == 1
    assert [len(bench.told(agent)) for agent in ("attic", "cellar")] == [1, 1]


def test_an_executor_that_refused_or_began_a_new_life_is_told_again(bench: Bench) -> None:
    stream_entries(EntryQuery(), VIEWER, bench.ordering)
    claimed = bench.commands.claim("attic", "c-1", "me", NOON, NOON + timedelta(seconds=30))
    assert claimed is not None
    bench.commands.finish(replace(claimed, state=CommandState.FAILED, ended_at=NOON))
    bench.tend()
    assert [one.state for one in bench.told("attic")] == [CommandState.QUEUED]
    forget_orders("attic", bench.commands, NOON + timedelta(minutes=1))
    assert len(bench.told("attic")) == 1, "the new life itself will begin what nobody began"
    claimed = bench.commands.claim("attic", "c-1", "me", NOON, NOON + timedelta(seconds=30))
    assert claimed is not None
    bench.commands.finish(replace(claimed, state=CommandState.DONE, ended_at=NOON))
    forget_orders("attic", bench.commands, NOON + timedelta(minutes=1))
    assert bench.told("attic") == []
    bench.tend()
    assert [one.state for one in bench.told("attic")] == [CommandState.QUEUED]


def test_a_viewer_that_left_is_forgotten_and_one_that_cannot_be_reached_is_not(bench: Bench) -> None:
    stream_entries(EntryQuery(), VIEWER, bench.ordering)
    bench.posts.mute = True
    bench.send(entry(1))
    assert bench.tend() == 1
    bench.posts.gone.add("c-1")
    assert (bench.tend(), bench.tend(), bench.posts.required) == (0, 0, 3)
    stream_entries(EntryQuery(), VIEWER, bench.ordering)
    bench.send(entry(2))
    bench.send(entry(3))
    assert bench.posts.required == 4


def test_an_instance_of_the_api_sends_each_viewer_what_it_asked_for(bench: Bench) -> None:
    stream_entries(EntryQuery(level="error"), VIEWER, bench.ordering)
    bench.send(entry(1), entry(2, "error"))
    bench.send(entry(3))
    assert [one["msg"] for one in bench.posts.frames] == ["message 2"]


def test_a_ring_tells_each_line_once() -> None:
    ring = wire.LogRing()
    log = logging.Logger("slipway.http")
    log.addHandler(ring)
    log.info("one")
    assert [one.message for one in ring.news()] == ["one"]
    assert ring.news() == []
    log.info("two")
    assert [one.message for one in ring.news()] == ["two"]
    assert len(ring.entries()) == 2


@pytest.fixture
def own() -> Iterator[tuple[OwnLog, list[LogEntry], Posts]]:
    kept, posts = [entry(1), entry(2, "debug"), entry(3), entry(4)], Posts()
    log = OwnLog("attic", lambda: list(kept), posts, look=0.01, pause=0.01)  # type: ignore[arg-type]
    yield log, kept, posts
    log.stop()


def opened(log: OwnLog, query: EntryQuery) -> None:
    arguments = {"query": query.arguments(), "connection": VIEWER.arguments()}
    log.open(Command("c-1", "attic", CommandKind.STREAM_ENTRIES, NOON, arguments))


def test_an_executor_sends_its_last_entries_and_then_every_new_one_once(
    own: tuple[OwnLog, list[LogEntry], Posts],
) -> None:
    log, kept, posts = own
    opened(log, EntryQuery(level="info", component="attic.executor", tail=2))
    within(lambda: len(posts.frames) == 2)
    kept += [entry(number) for number in range(5, 9)]
    within(lambda: len(posts.frames) == 6)
    assert [one["msg"] for one in posts.frames] == [f"message {number}" for number in (3, 4, 5, 6, 7, 8)]
    assert {one["component"] for one in posts.frames} == {"attic.executor.worker"}


def test_an_executor_goes_on_when_a_gateway_that_did_not_answer_does_so_again(
    own: tuple[OwnLog, list[LogEntry], Posts],
) -> None:
    log, kept, posts = own
    opened(log, EntryQuery(tail=1))
    within(lambda: len(posts.frames) == 1)
    posts.mute = True
    kept.append(entry(5))
    tries = posts.required
    within(lambda: posts.required > tries)
    posts.mute = False
    kept.append(entry(6))
    within(lambda: "message 6" in [one["msg"] for one in posts.frames])
    assert posts.frames[0]["msg"] == "message 4"
    posts.gone.add("c-1")
    kept.append(entry(7))
    within(lambda: not [one for one in threading.enumerate() if one.name.startswith("own-log")])


def test_an_executor_that_stops_leaves_the_connection_to_the_others(
    own: tuple[OwnLog, list[LogEntry], Posts],
) -> None:
    log, _, posts = own
    opened(log, EntryQuery())
    within(lambda: len(posts.frames) == 4)
    log.stop()
    within(lambda: not [one for one in threading.enumerate() if one.name.startswith("own-log")])


def upgrade(query: dict[str, str]) -> dict[str, object]:
    context = {"connectionId": "c-1", "domainName": "gateway.test", "stage": "prod", "identity": {}}
    many = {name: [value] for name, value in query.items()}
    headers = {"Authorization": ADA, "Host": "gateway.test"}
    return {"headers": headers, "multiValueQueryStringParameters": many, "requestContext": context}


def test_the_gateway_lets_viewers_of_the_system_log_in_and_notes_that_they_left(bench: Bench) -> None:
    services = FakeServices()
    services.clock.at = NOON
    for name in ("agents", "commands", "queue"):
        setattr(services, name, getattr(bench, name))
    services.connections = bench.posts  # type: ignore[attr-defined]

    def status(**query: str) -> int:
        return connected(upgrade({"log": "system", **query}), services)["statusCode"]  # type: ignore[arg-type]

    assert (status(level="loud"), status(component="no/such")) == (400, 400)
    assert (status(level="warn"), len(bench.told("attic"))) == (200, 1)
    assert tended(services) == 0  # type: ignore[arg-type]
    assert bench.posts.required == 1
    assert left(upgrade({}), services) == {"statusCode": 200}  # type: ignore[arg-type]
    assert bench.tend() == 0
    bench.commands.outage.away(before=2)
    assert status() == 503
    assert left(upgrade({}), services) == {"statusCode": 200}  # type: ignore[arg-type]
