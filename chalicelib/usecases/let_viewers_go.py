"""Let viewers go whose executor sends nothing any more: where nobody else notices, they would wait for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.domain.command import STREAM_RETENTION, CommandKind
from chalicelib.domain.connection import BROKEN, Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.connections import Connections, Gone
from chalicelib.ports.stores import AgentStore, CommandStore


def let_viewers_go(agent: str, commands: CommandStore, connections: Connections, before: datetime, reason: str) -> int:
    """Close what this agent was told to send to before then; how many were still open. Raises Unavailable for a store.

    A host of connections that does not answer is left alone: its connections end with it.
    """
    closed = 0
    for command in commands.of_kind(agent, CommandKind.STREAM_LOGS):
        if (command.ended_at or command.created_at) >= before:
            continue
        try:
            connections.close(Connection.of(command.arguments["connection"]), BROKEN, reason)
            closed += 1
        except (Gone, Unavailable):
            pass
        commands.remove(agent, command.id)
    return closed


def forget_orders(agent: str, commands: CommandStore, before: datetime) -> None:
    """Forget to whom an earlier life of this agent sent its own log: who still follows is told of the new one.

    Such viewers stay, for others send to them as well. Raises Unavailable for a store.
    """
    for command in commands.of_kind(agent, CommandKind.STREAM_ENTRIES):
        if command.ended_at is not None and command.ended_at < before:
            commands.remove(agent, command.id)


def let_viewers_of_the_dead_go(
    agents: AgentStore, commands: CommandStore, connections: Connections, now: datetime
) -> int:
    """The same for every agent that has fallen silent; how many viewers were let go."""
    silent = [one for one in agents.all() if one.seen_at and not one.connected(now) and _lately(one.seen_at, now)]
    return sum(
        let_viewers_go(one.name, commands, connections, now - _OPENING, "The executor does not answer")
        for one in silent
    )


_OPENING = timedelta(seconds=30)


def _lately(seen_at: datetime, now: datetime) -> bool:
    return now - seen_at < STREAM_RETENTION
