"""What containers use: once, with its history, and as a stream of events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.fleet import Entry
from chalicelib.domain.stats import HEARTBEAT, Sample, is_fresh
from chalicelib.ports.services import Services
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.read_stats import fresh_fleet, keep_sampled, read_fleet, read_one
from chalicelib.wire import stats as wire
from handlers.containers import find
from handlers.hosts import ordering
from handlers.http import Request, Response

FIRST_SAMPLE = timedelta(seconds=4)
"""How long the first reader waits for the first sample: what is there by then is the answer."""
LONGEST_SECONDS = 3600.0
"""A stream ends after an hour, so that whoever may come in no longer is found out; clients come back by themselves."""
LOOK_SECONDS = 1.0
RETRY_MS = 1000
_NEVER = datetime.fromtimestamp(0, UTC)


def list_stats(request: Request, services: Services) -> object:
    """The latest sample of every container."""
    return {"data": [_row(entry, sample) for entry, sample in latest(request, services)]}


def latest(request: Request, services: Services, *, wait: bool = True) -> list[tuple[Entry, Sample | None]]:
    """Every container with its latest sample, if it runs and has one; who may `wait` does so for the very first."""
    entries = services.fleet.fleet().entries
    orders, interval = _hasty(request, services), _interval(services)
    found, commands = {}, []
    for agent in sorted({entry.listing.identity.agent for entry in entries}):
        found[agent], command = read_fleet(agent, services.samples, orders, interval)
        commands += [command] if command is not None and wait else []
    # All agents sample at the same time, so one patience is for all of them.
    for command in orders.wait_all(commands):
        found[command.agent] = fresh_fleet(command.agent, services.samples, services.clock.now(), interval)
    return [
        (entry, found[entry.listing.identity.agent].get(_key(entry)) if entry.listing.status == "running" else None)
        for entry in entries
    ]


def get_stats(request: Request, services: Services) -> object:
    """The latest sample of a container, and those before it."""
    entry = find(request, services)
    listing = entry.listing
    interval = _interval(services)
    armed = read_one(listing.identity, services.samples, _hasty(request, services), interval)
    oldest = services.clock.now() - services.settings.stats_history * interval
    history = [one for one in armed.samples if one.at > oldest]
    latest = history[-1] if history and is_fresh(history[-1], services.clock.now(), interval) else None
    return {
        "data": wire.write(listing.id, latest) if latest is not None and listing.status == "running" else None,
        "history": [wire.write(listing.id, one) for one in history],
    }


def stream_stats(request: Request, services: Services) -> Response:
    """The latest sample of a container, then each new one, as server-sent events."""
    entry = find(request, services)
    headers = (("Cache-Control", "no-cache, no-transform"), ("X-Accel-Buffering", "no"))
    orders = _hasty(request, services)
    return Response(200, _events(entry, request, services, orders), headers, "text/event-stream")


def _events(entry: Entry, request: Request, services: Services, orders: Ordering) -> Iterator[bytes]:
    """For an hour where the host streams; where it cannot, until there is something to say or time is up.

    The id of an event holds the times of the last sample and of the last heartbeat, so that a client that comes back
    with `Last-Event-ID` goes on exactly where it was.
    """
    clock = services.clock
    identity, interval = entry.listing.identity, _interval(services)
    begun = clock.now()
    drained = request.stream_seconds is not None
    longest = request.stream_seconds if request.stream_seconds is not None else LONGEST_SECONDS
    seen, beat = _last(request.headers.get("last-event-id", "")) or (_NEVER, begun)
    yield b"retry: %d\n\n" % RETRY_MS
    while True:
        armed = services.samples.one(identity, LOOK_SECONDS)
        keep_sampled(identity.agent, identity.key, armed.until, services.samples, orders, interval)
        said = False
        for one in _news(armed.samples, seen, clock.now(), interval):
            seen, said = one.at, True
            yield wire.event("dd:container-stats", wire.write(entry.listing.id, one), id=_id(seen, beat))
        if clock.now() - beat >= HEARTBEAT:
            beat, said = clock.now(), True
            yield wire.event("dd:heartbeat", {}, id=_id(seen, beat))
        if (clock.now() - begun).total_seconds() >= longest or (said and drained):
            if not said:
                yield b": nothing new\nid: %s\n\n" % _id(seen, beat).encode()
            return
        clock.sleep(LOOK_SECONDS)


def _news(samples: Sequence[Sample], seen: datetime, now: datetime, interval: timedelta) -> list[Sample]:
    """What came since; of what a new client has never seen only the latest, when that is fresh."""
    new = [one for one in samples if one.at > seen]
    if seen > _NEVER:
        return new
    return [one for one in new[-1:] if is_fresh(one, now, interval)]


def _id(seen: datetime, beat: datetime) -> str:
    return f"{round(seen.timestamp() * 1000)}-{round(beat.timestamp() * 1000)}"


def _last(text: str) -> tuple[datetime, datetime] | None:
    seen, _, beat = text.strip().partition("-")
    if not (seen.isascii() and seen.isdigit() and beat.isascii() and beat.isdigit()):
        return None
    try:
        return datetime.fromtimestamp(int(seen) / 1000, UTC), datetime.fromtimestamp(int(beat) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _row(entry: Entry, sample: Sample | None) -> object:
    listing = entry.listing
    agent = listing.identity.agent
    return {
        "id": listing.id,
        "name": listing.identity.name,
        "status": listing.status,
        "watcher": listing.identity.watcher,
        **({} if agent == LOCAL_AGENT else {"agent": agent}),
        "stats": wire.write(listing.id, sample) if sample is not None else None,
    }


def _hasty(request: Request, services: Services) -> Ordering:
    orders = ordering(request, services)
    return replace(orders, patience=min(orders.patience, FIRST_SAMPLE))


def _interval(services: Services) -> timedelta:
    return timedelta(seconds=services.settings.stats_interval)


def _key(entry: Entry) -> str:
    return entry.listing.identity.key
