"""Let a viewer follow a container's log: its executor is told where to send the lines."""

from __future__ import annotations

from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.connection import BROKEN, NOT_FOUND, NOT_RUNNING, Connection, Ended
from chalicelib.domain.errors import Failed, Unavailable
from chalicelib.domain.fleet import Entry
from chalicelib.domain.log import LogQuery
from chalicelib.usecases.order import Ordering


def require_stream(entry: Entry | None, ordering: Ordering) -> Entry:
    """The container, fit to be followed. Raises Ended with the code that says why it is not."""
    if entry is None:
        raise Ended(NOT_FOUND, "Container not found")
    if entry.listing.status != "running":
        raise Ended(NOT_RUNNING, "Container is not running")
    try:
        ordering.require_connected(entry.listing.identity.agent)
    except Failed as error:
        raise Ended(BROKEN, str(error)[:120]) from error
    return entry


def stream_logs(entry: Entry, query: LogQuery, connection: Connection, ordering: Ordering) -> Command:
    """Tell the executor. Raises Ended when it cannot be told."""
    identity = entry.listing.identity
    arguments = about(identity, entry.listing.id)
    arguments |= {"query": query.arguments(), "connection": connection.arguments()}
    try:
        return ordering.order(identity.agent, CommandKind.STREAM_LOGS, arguments)
    except Unavailable as error:
        raise Ended(BROKEN, "The store does not answer") from error
