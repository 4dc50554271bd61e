"""Slipway's own log: its level, its last entries, and its components."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log_entry import EntryQuery, LogEntry
from chalicelib.ports.services import Services
from chalicelib.usecases.read_own_log import read_own_log
from chalicelib.usecases.stream_entries import send_entries, stream_entries, tell_executor
from chalicelib.wire import log_ring as wire
from handlers.hosts import ordering
from handlers.http import Request

PATIENCE = timedelta(seconds=3)
"""How long executors are waited for."""


def entries(request: Request, services: Services) -> object:
    """The last entries that were asked for, oldest first."""
    asked = wire.query(request.query)
    return [wire.write(entry) for entry in asked.choose(collect(request, services))]


def components(request: Request, services: Services) -> object:
    """Who has logged something of what is kept: the words that `component` takes."""
    return sorted({entry.component for entry in collect(request, services)})


def collect(request: Request, services: Services) -> list[LogEntry]:
    """Everything that is kept, here and with the executors."""
    orders = ordering(request, services)
    hasty = replace(orders, patience=min(orders.patience, PATIENCE))
    return read_own_log(wire.RING.entries(), hasty, wire.unpack)


def follow(request: Request, services: Services, connection: Connection) -> None:
    """Have the last entries and every new one sent there. Raises Invalid, and Unavailable for a store."""
    stream_entries(wire.query(request.query), connection, ordering(request, services))


def present(request: Request, services: Services) -> list[tuple[str, str]]:
    """The agents whose executors can be told, each with when its executor began. Raises Unavailable."""
    return [(agent.name, str(agent.facts.get("startedAt"))) for agent in ordering(request, services).connected()]


def begin(
    agent: str,
    query: EntryQuery,
    connection: Connection,
    after: Mapping[str, int],
    request: Request,
    services: Services,
) -> Callable[[], None]:
    """Have an executor send what it logs there, without what is known already; gives a way to remind it.

    Raises Unavailable.
    """
    command = tell_executor(agent, query, connection, after, ordering(request, services))

    def remind() -> None:
        with suppress(Unavailable):
            services.queue.wake(command.agent, command.id)

    return remind


def tell(services: Services) -> None:
    """Send what this process has logged since the last call to those who follow; costs nothing when that is nothing."""
    news = wire.RING.news()
    if news:
        with suppress(Unavailable):
            send_entries(news, services.commands, services.connections)
