"""WebSockets, for every host that has them: who may open one, and what is sent to it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlsplit

from chalicelib.domain.connection import NORMAL, Connection, Ended
from chalicelib.domain.errors import Forbidden, SlipwayError, Unavailable
from chalicelib.domain.fleet import Entry
from chalicelib.ports.services import Services
from chalicelib.usecases.stream_logs import require_stream, stream_logs
from chalicelib.wire import log as log_wire
from handlers import guards
from handlers.dispatch import failure
from handlers.hosts import ordering
from handlers.http import Request, Response

UPGRADES = guards.RateLimit("upgrades", 1000, guards.QUARTER_HOUR)


def refusal(request: Request, services: Services) -> Response | None:
    """The answer that refuses an upgrade; nothing when it may go on.

    A browser sends its page's origin, and any page can make it: there the session's cookie alone counts, and only from
    a page of ours.
    """
    try:
        origin = request.headers.get("origin")
        if origin is not None:
            if _host(origin) != _host(f"//{request.host}") and not _allowed(origin, services):
                raise Forbidden("This request came from a page of another site.")
            request = replace(
                request, headers={name: value for name, value in request.headers.items() if name != "authorization"}
            )
        UPGRADES(request, services)
        guards.allowed(replace(request, caller=guards.authenticated(request, services)), "read")
    except Exception as error:
        return failure(error, request, services)
    return None


def begin_logs(container_id: str, request: Request, services: Services, connection: Connection) -> Callable[[], None]:
    """Have the container's log sent to the connection; gives a way to remind an executor that is not heard of.

    Raises Ended when there is nothing to send, and why.
    """
    orders = ordering(request, services)
    entry = _fit(container_id, request, services)
    query = log_wire.stream(request.query)
    if query.nothing:
        raise Ended(NORMAL, "Nothing was asked for")
    command = stream_logs(entry, query, connection, orders)

    def remind() -> None:
        with suppress(Unavailable):
            services.queue.wake(command.agent, command.id)

    return remind


def _fit(container_id: str, request: Request, services: Services) -> Entry:
    try:
        return require_stream(services.fleet.fleet().find(container_id), ordering(request, services))
    except Ended:
        raise
    except SlipwayError as error:
        raise Ended(1011, str(error)[:120]) from error


def _allowed(origin: str, services: Services) -> bool:
    """Whether the settings name this origin; `*` names none, for a cookie comes along."""
    settings = services.settings
    return settings.cors_enabled and origin in [entry.strip() for entry in settings.cors_origin.split(",")]


def _host(url: str) -> str:
    """Host and port; a scheme's own port is as good as none, for a proxy may end TLS before us."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "?"
    return f"{parts.hostname}:{port}" if port not in (None, 80, 443) else str(parts.hostname)
