"""Viewers whose executor is gone are told so, wherever nobody else would notice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.agent import Agent
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.connection import BROKEN, Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.connections import Gone
from chalicelib.usecases.let_viewers_go import let_viewers_go, let_viewers_of_the_dead_go
from handlers.gateway_sockets import heard
from tests.fakes.services import FakeServices
from tests.fakes.stores import FakeCommands

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Doors:
    """Connections of which some are gone already."""

    gone: set[str] = field(default_factory=set)
    mute: set[str] = field(default_factory=set)
    closed: list[tuple[str, int, str]] = field(default_factory=list)

    def close(self, connection: Connection, code: int, reason: str) -> None:
        if connection.id in self.gone:
            raise Gone("it has left")
        if connection.id in self.mute:
            raise Unavailable("nobody answers")
        self.closed.append((connection.id, code, reason))


@dataclass
class Agents:
    found: list[Agent]

    def all(self) -> list[Agent]:
        return self.found


def streamed(commands: FakeCommands, agent: str, name: str, at: datetime) -> None:
    arguments = {"connection": Connection(name, "https://gateway.test/prod").arguments()}
    ended = Command(name, agent, CommandKind.STREAM_LOGS, at, arguments, CommandState.DONE, ended_at=at)
    commands.submit(ended)


def test_everything_an_earlier_life_sent_to_is_closed_with_its_reason() -> None:
    commands, doors = FakeCommands(), Doors(gone={"left"}, mute={"mute"})
    for name in ("watching", "left", "mute"):
        streamed(commands, "attic", name, NOW - timedelta(minutes=30))
    streamed(commands, "attic", "mine", NOW + timedelta(seconds=1))
    streamed(commands, "cellar", "theirs", NOW - timedelta(minutes=30))
    commands.submit(replace(Command("stop", "attic", CommandKind.STOP, NOW - timedelta(minutes=30))))
    assert let_viewers_go("attic", commands, doors, NOW, "The executor has started again") == 1
    assert doors.closed == [("watching", BROKEN, "The executor has started again")]
    left = [name for name in ("watching", "left", "mute", "mine", "stop") if commands.get("attic", name)]
    assert left == ["mine", "stop"], "nobody is asked about twice"


@pytest.mark.parametrize(
    ("silence", "closed"),
    [(timedelta(seconds=20), []), (timedelta(minutes=1), ["a"]), (timedelta(days=1), [])],
)
def test_an_agent_that_fell_silent_lately_loses_its_viewers(silence: timedelta, closed: list[str]) -> None:
    commands, doors = FakeCommands(), Doors()
    streamed(commands, "attic", "a", NOW - timedelta(hours=1))
    agents = Agents([Agent("attic", NOW - silence), Agent("cellar", NOW), Agent("never")])
    assert let_viewers_of_the_dead_go(agents, commands, doors, NOW) == len(closed)
    assert [name for name, _, _ in doors.closed] == closed


def test_any_word_of_a_viewer_at_the_gateway_finds_the_dead() -> None:
    services = FakeServices()
    now = services.clock.now()
    services.commands, services.connections = FakeCommands(), Doors()  # type: ignore[attr-defined]
    services.agents = Agents([Agent("attic", now - timedelta(minutes=2))])  # type: ignore[attr-defined]
    streamed(services.commands, "attic", "c-1", now - timedelta(minutes=5))  # type: ignore[attr-defined]
    assert heard({}, services) == {"statusCode": 200}  # type: ignore[arg-type]
    assert services.connections.closed == [("c-1", BROKEN, "The executor does not answer")]  # type: ignore[attr-defined]
    assert heard({}, services) == {"statusCode": 200}  # type: ignore[arg-type]
    assert len(services.connections.closed) == 1  # type: ignore[attr-defined]
