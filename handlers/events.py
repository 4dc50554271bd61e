"""`/api/v1/events/ui`: what happens to containers, operations and agents, as server-sent events."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.services import Services
from chalicelib.wire import json
from chalicelib.wire import news as wire
from chalicelib.wire import query as query_wire
from chalicelib.wire.stats import event
from handlers.guards import network
from handlers.http import Request, Response

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 3600.0
"""A stream ends after an hour, so that whoever may come in no longer is found out; clients come back by themselves."""
DRAINED_SECONDS = 3.0
"""How late news come at most where a stream is drained into one body."""
STEP_SECONDS = 2.0
"""How long one step waits for news: a thread is held so long at most when its client is gone."""


def stream(request: Request, services: Services) -> Response:
    """Follow everything. `Last-Event-ID`, or `last-event-id` in the query, goes on after that event."""
    client = network(request.client)
    services.feed.admit(client)
    headers = (("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"))
    return Response(body=_events(request, services, client), headers=headers, media_type="text/event-stream")


def _events(request: Request, services: Services, client: str) -> Iterator[bytes]:
    feed, began = services.feed, time.monotonic()
    longest = LONGEST_SECONDS if request.stream_seconds is None else min(request.stream_seconds, DRAINED_SECONDS)
    last_id = request.headers.get("last-event-id") or query_wire.first(request.query, "last-event-id")
    with feed.listening(client):
        name = f"sse-client-{services.clock.new_id()}"
        number, reason = feed.begin(last_id)
        yield event("dd:connected", {"clientId": name, "clientToken": _token(name, services)})
        if reason is not None:
            yield event("dd:resync-required", {"reason": reason})
        quiet_since = time.monotonic()
        while (left := began + longest - time.monotonic()) > 0:
            try:
                found = feed.after(number, min(STEP_SECONDS, left))
            except Unavailable:
                # The client comes back, and is told then whether it missed anything.
                return
            now = services.clock.now()
            for one in found:
                number = one.number
                name = f"{wire.PREFIX}{one.news.name}"
                yield event(name, wire.write(one.news, now), id=f"{feed.boot}:{number}")
            if found:
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since >= HEARTBEAT_SECONDS:
                quiet_since = time.monotonic()
                yield event("dd:heartbeat", {})
            else:
                # Nothing is sent, but whoever drives this may see that the client is gone.
                yield b""


def acknowledge(request: Request, services: Services) -> Response:
    """A listener has seen that Slipway updates itself. Nothing waits for it; `ignored`: nothing is under way."""
    fields = request.payload if isinstance(request.payload, dict) else {}
    operation = request.path_params["operationId"]
    if not hmac.compare_digest(fields["clientToken"].encode(), _token(fields["clientId"], services).encode()):
        reason = "The token is not the one this client was given by dd:connected."
        return Response(403, json.dumps({"status": "rejected", "operationId": operation, "reason": reason}))
    entries = services.fleet.fleet().entries
    known = any(entry.operation is not None and entry.operation.id == operation for entry in entries)
    return Response(202, json.dumps({"status": "accepted" if known else "ignored", "operationId": operation}))


def _token(client: str, services: Services) -> str:
    """What proves to any instance that this client's stream was opened by one of them."""
    secret = services.accounts.secret("events")
    return f"sse-token-{hmac.new(secret, client.encode(), hashlib.sha256).hexdigest()}"
