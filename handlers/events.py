"""`/api/v1/events/ui`: what happens to containers, operations and agents, as server-sent events."""

from __future__ import annotations

import time
from collections.abc import Iterator

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.services import Services
from chalicelib.wire import news as wire
from chalicelib.wire import query as query_wire
from chalicelib.wire.stats import event
from handlers.guards import network
from handlers.http import Request, Response

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 3600.0
"""A stream ends after an hour, so that whoever may come in no longer is found out; clients come back by themselves."""
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
    longest = LONGEST_SECONDS if request.stream_seconds is None else request.stream_seconds
    last_id = request.headers.get("last-event-id") or query_wire.first(request.query, "last-event-id")
    with feed.listening(client):
        name = services.clock.new_id()
        number, reason = feed.begin(last_id)
        yield event("dd:connected", {"clientId": f"sse-client-{name}", "clientToken": f"sse-token-{name}"})
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
