"""API Gateway's WebSocket events: a viewer's connection is let in, and its executor told, while it is being made.

API Gateway has one path for all WebSockets, so the query says what is followed: `?container=<id>&tail=…`, or Slipway's
own log by `?log=system&level=…`. It can close a connection in one way only, so what our own server says with a close
code is a status before, and a last frame `{"type":"close","code":…,"reason":…}` later.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

from chalicelib.domain.connection import BROKEN, NORMAL, NOT_FOUND, NOT_RUNNING, Connection, Ended
from chalicelib.domain.errors import Invalid, SlipwayError
from chalicelib.ports.services import Services
from chalicelib.usecases.let_viewers_go import let_viewers_of_the_dead_go
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.stream_entries import forget_viewer, tend_viewers
from chalicelib.wire.query import first
from handlers import own_log
from handlers.gateway import request_of
from handlers.http import Request
from handlers.streaming import begin_logs, refusal

OWN_LOG = "system"
_STATUS = {NOT_FOUND: 404, NOT_RUNNING: 409, NORMAL: 400, BROKEN: 503}


def connected(event: dict[str, Any], services: Services) -> dict[str, int]:
    """Answer `$connect`: 200, or the status that refuses the connection."""
    request = _request(event)
    refused = refusal(request, services)
    if refused is not None:
        return {"statusCode": refused.status}
    try:
        if first(request.query, "log") == OWN_LOG:
            own_log.follow(request, services, _connection(event, services))
        else:
            container_id = first(request.query, "container") or ""
            begin_logs(container_id, request, services, _connection(event, services))
    except Ended as ended:
        return {"statusCode": _STATUS.get(ended.code, 500)}
    except Invalid:
        return {"statusCode": 400}
    except SlipwayError:
        return {"statusCode": 503}
    return {"statusCode": 200}


def heard(_event: dict[str, Any], services: Services) -> dict[str, int]:
    """Answer `$default`: whatever a viewer says asks whether its executor is there, and it is let go when it is not.

    All viewers of executors that have fallen silent are: who says nothing is noticed by those who do.
    """
    with suppress(SlipwayError):
        let_viewers_of_the_dead_go(services.agents, services.commands, services.connections, services.clock.now())
    return {"statusCode": 200}


def left(event: dict[str, Any], services: Services) -> dict[str, int]:
    """Answer `$disconnect`: instances of the API send nothing there any more. Executors see for themselves who left."""
    with suppress(SlipwayError):
        forget_viewer(str(event["requestContext"]["connectionId"]), services.commands)
    return {"statusCode": 200}


def tended(services: Services) -> int:
    """What the clock is for: viewers of dead executors are let go though none says a word, and executors that came
    later are told who follows Slipway's own log. How many were let go; raises Unavailable for a store.
    """
    gone = let_viewers_of_the_dead_go(services.agents, services.commands, services.connections, services.clock.now())
    orders = Ordering(services.agents, services.commands, services.queue, services.clock, timedelta(0))
    tend_viewers(orders, services.connections)
    return gone


def _request(event: dict[str, Any]) -> Request:
    return request_of({"httpMethod": "GET", "path": "/", **event})


def _connection(event: dict[str, Any], services: Services) -> Connection:
    context = event["requestContext"]
    url = services.settings.connections_url or f"https://{context['domainName']}/{context['stage']}"
    return Connection(str(context["connectionId"]), url)
