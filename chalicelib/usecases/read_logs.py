"""Read a container's log: ask its executor, and take the answer out of the store."""

from __future__ import annotations

from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.fleet import Entry
from chalicelib.domain.log import LogQuery
from chalicelib.usecases.order import Ordering


def order_logs(entry: Entry, query: LogQuery, ordering: Ordering, *, timestamps: bool) -> Command:
    """The command, as it stands when the wait is over. Raises Failed when the agent is not connected."""
    identity = entry.listing.identity
    ordering.require_connected(identity.agent)
    arguments = about(identity, entry.listing.id) | {"query": query.arguments(), "timestamps": timestamps}
    return ordering.wait(ordering.order(identity.agent, CommandKind.LOGS, arguments))
