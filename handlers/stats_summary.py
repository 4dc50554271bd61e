"""What all containers use together: once, and as a stream of events."""

from __future__ import annotations

from collections.abc import Iterator

from chalicelib.domain.stats import HEARTBEAT
from chalicelib.domain.usage import Usage, usage
from chalicelib.ports.services import Services
from chalicelib.wire import usage as wire
from chalicelib.wire.stats import event
from handlers.http import Request, Response
from handlers.stats import LONGEST_SECONDS, LOOK_SECONDS, RETRY_MS, latest


def get_summary(request: Request, services: Services) -> object:
    """Sums over all that run, and those that use most."""
    return {"data": wire.write(_now(request, services))}


def stream_summary(request: Request, services: Services) -> Response:
    """The same, and again whenever something new was sampled, as server-sent events."""
    headers = (("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"))
    return Response(200, _events(request, services), headers, "text/event-stream")


def _events(request: Request, services: Services) -> Iterator[bytes]:
    """For an hour where the host streams; where it cannot, until there is something to say or time is up.

    A client of such a host is told to come back when there may be a new sample.
    """
    clock = services.clock
    begun = beat = clock.now()
    drained = request.stream_seconds is not None
    longest = LONGEST_SECONDS if request.stream_seconds is None else request.stream_seconds
    said: Usage | None = None
    yield b"retry: %d\n\n" % (services.settings.stats_interval * 1000 if drained else RETRY_MS)
    while True:
        now = _now(request, services, wait=False)
        if said is None or now.at not in (None, said.at):
            said = now
            yield event("dd:stats-summary", wire.write(now))
        if clock.now() - beat >= HEARTBEAT:
            beat = clock.now()
            yield event("dd:heartbeat", {})
        if (drained and said.at is not None) or (clock.now() - begun).total_seconds() >= longest:
            return
        # Nothing more is sent, but whoever drives this may see that the client is gone.
        yield b""
        clock.sleep(LOOK_SECONDS)


def _now(request: Request, services: Services, *, wait: bool = True) -> Usage:
    found = latest(request, services, wait=wait)
    return usage((entry.listing, sample) for entry, sample in found if sample is not None)
