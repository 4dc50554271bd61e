"""Let a viewer follow Slipway's own log: whoever writes it is told where to send it.

Executors are told by a command each. Instances of the API come and go and have no queue: they share one list of
viewers, and look at it when they have logged something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log_entry import EntryQuery, LogEntry
from chalicelib.ports.connections import Connections, Gone
from chalicelib.ports.stores import CommandStore
from chalicelib.usecases.order import Ordering

INSTANCES = "@api"
"""What the API's instances are called where commands are kept by agent; no agent can have such a name."""


def stream_entries(query: EntryQuery, connection: Connection, ordering: Ordering) -> None:
    """Have everybody who writes it send the log to this connection. Raises Unavailable."""
    now = ordering.clock.now()
    arguments = {"query": query.arguments(), "connection": connection.arguments()}
    # Ended from the beginning: nobody claims it, and it expires when API Gateway ends the connection.
    ordering.commands.submit(
        Command(connection.id, INSTANCES, CommandKind.STREAM_ENTRIES, now, arguments, CommandState.DONE, ended_at=now)
    )
    _tell_executors(connection.id, arguments, ordering)


def tell_executor(
    agent: str, query: EntryQuery, connection: Connection, after: Mapping[str, int], ordering: Ordering
) -> Command:
    """Have one agent's executor send its log there; `after` are sources' last entries that are known already.

    Raises Unavailable.
    """
    arguments = {"query": query.arguments(), "connection": connection.arguments(), "after": dict(after)}
    return ordering.order(agent, CommandKind.STREAM_ENTRIES, arguments)


def send_entries(entries: Sequence[LogEntry], commands: CommandStore, connections: Connections) -> None:
    """Send what an instance of the API has logged to whoever follows. Raises Unavailable for a store."""
    for viewer in commands.of_kind(INSTANCES, CommandKind.STREAM_ENTRIES):
        chosen = EntryQuery.of(viewer.arguments["query"]).choose(entries)
        if not chosen:
            continue
        try:
            connections.post(Connection.of(viewer.arguments["connection"]), connections.encode_entries(chosen), 0)
        except Gone:
            forget_viewer(viewer.id, commands)
        except Unavailable:
            pass


def tend_viewers(ordering: Ordering, connections: Connections) -> int:
    """Tell executors that came later of everybody who still follows, and forget who does not; how many follow."""
    present = 0
    for viewer in ordering.commands.of_kind(INSTANCES, CommandKind.STREAM_ENTRIES):
        try:
            connections.require(Connection.of(viewer.arguments["connection"]))
        except Gone:
            forget_viewer(viewer.id, ordering.commands)
            continue
        except Unavailable:
            pass
        present += 1
        _tell_executors(viewer.id, viewer.arguments, ordering)
    return present


def forget_viewer(connection_id: str, commands: CommandStore) -> None:
    """It has left; executors see for themselves. Raises Unavailable for a store."""
    commands.remove(INSTANCES, connection_id)


def _tell_executors(viewer: str, arguments: Mapping[str, Any], ordering: Ordering) -> None:
    for agent in ordering.connected():
        known = ordering.commands.get(agent.name, viewer)
        if known is not None and known.state is CommandState.FAILED:
            ordering.commands.remove(agent.name, viewer)
        elif known is not None:
            continue
        ordering.order(agent.name, CommandKind.STREAM_ENTRIES, arguments, command_id=viewer)
