"""One viewer of a log: a short queue of frames, and a thread that sends them as fast as the viewer takes them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib.domain.connection import BROKEN, POLL_SECONDS, TOO_SLOW, Connection
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.ports.connections import Connections, Gone

log = logging.getLogger(__name__)

MOST_WAITING = 4 * 1024 * 1024
"""Bytes of frames that may wait for one viewer."""
MOST_AT_ONCE = 512 * 1024
STALL_SECONDS = 10.0
"""A viewer that has taken nothing for this long, with frames waiting, is not waited for any more."""
_STREAMS = 2
_OPENING_SECONDS = 5.0
"""A connection is announced before it is open; until then it looks like one that is gone."""


class Frames(Protocol):
    """What waits for a viewer."""

    def frames(self, query: LogQuery, overlap: Overlap | None, /) -> bytes:
        """The frames of what a viewer asks for and has not had."""
        ...


class Batch:
    """Lines that arrived together. Their frames are made once, however many viewers there are."""

    def __init__(self, lines: Sequence[LogLine], connections: Connections) -> None:
        self.lines = lines
        self._connections = connections
        self._guard = threading.Lock()
        self._frames: bytes | None = None

    def frames(self, query: LogQuery, overlap: Overlap | None) -> bytes:
        """The frames of the lines a viewer asks for and has not had."""
        if query.stdout and query.stderr and overlap is None:
            with self._guard:
                if self._frames is None:
                    self._frames = self._connections.encode(self.lines)
                return self._frames
        wanted = [line for line in self.lines if query.wants(line.stream)]
        return self._connections.encode(overlap.new(wanted) if overlap else wanted)


class Overlap:
    """What of a running stream a viewer has had already, from the history read when it came.

    Within one of a container's two streams times never go back, and so they tell; lines of the very same time are told
    by their text.
    """

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._same: dict[str, Counter[str]] = {}

    @property
    def latest(self) -> str | None:
        """The earliest of the two streams' last times; nothing before a line was had, or when lines have no times."""
        return min(filter(None, self._last.values()), key=_moment, default=None)

    def had(self, lines: Sequence[LogLine]) -> None:
        """These lines of the history have been sent."""
        # From the end: only what has a stream's last time matters.
        ends: dict[str, tuple[str, Counter[str]]] = {}
        done: set[str] = set()
        for stream, ts, line in reversed(lines):
            if stream in done:
                if len(done) == _STREAMS:
                    break
                continue
            last, same = ends.setdefault(stream, (ts, Counter()))
            if ts == last:
                same[line] += 1
            else:
                done.add(stream)
        for stream, (ts, same) in ends.items():
            if self._last.get(stream) == ts and stream not in done:
                self._same[stream] += same
            else:
                self._last[stream], self._same[stream] = ts, same

    def new(self, lines: Sequence[LogLine]) -> list[LogLine]:
        """Those that come after the history."""
        return [line for line in lines if self._is_new(line)]

    def _is_new(self, line: LogLine) -> bool:
        last = self._last.get(line.stream)
        if last is None:
            return True
        if _moment(line.ts) < _moment(last):
            return False
        if line.ts == last and self._same[line.stream][line.line] > 0:
            self._same[line.stream][line.line] -= 1
            return False
        if line.ts != last:
            del self._last[line.stream]
        return True


class Viewer:
    """Sends to one connection. `offer` never waits; `drained` is called when there is room again, and at the end."""

    def __init__(self, connection: Connection, query: LogQuery, connections: Connections, name: str) -> None:
        self.query = query
        self.name = name
        self.overlap: Overlap | None = None
        self.catching_up = False
        """Whether it is still being given the history; it cannot be blamed for what waits meanwhile."""
        self._connection = connection
        self._connections = connections
        self._waiting: deque[tuple[Frames, int]] = deque()
        self._changed = threading.Condition()
        self._bytes = 0
        self._number = 0
        self._opened = time.monotonic()
        self._reached = False
        self._progress = time.monotonic()
        self._closing: tuple[int, str] | None = None
        self._over = False
        self._posted = -math.inf
        self.drained: Callable[[], None] = lambda: None
        self.spacing: Callable[[], float] = lambda: 0.0
        """Seconds to let pass between two posts: with many viewers many small ones would cost more than they bring."""

    @property
    def backlog(self) -> int:
        """Bytes that wait."""
        return self._bytes

    @property
    def over(self) -> bool:
        """Whether nothing will be sent any more."""
        return self._over or self._closing is not None

    @property
    def stalled(self) -> bool:
        """Whether it has taken nothing for long although something waits."""
        return self._bytes > 0 and time.monotonic() - self._progress > STALL_SECONDS

    def offer(self, batch: Frames, size: int) -> None:
        """Queue a batch of about that many bytes."""
        with self._changed:
            if self.over:
                return
            if not self._waiting:
                self._progress = time.monotonic()
            self._waiting.append((batch, size))
            self._bytes += size
            self._changed.notify()

    def send(self, lines: Sequence[LogLine]) -> None:
        """Send lines now, and return when they are taken. Raises Gone and Unavailable."""
        wanted = [line for line in lines if self.query.wants(line.stream)]
        if wanted:
            self._post(self._connections.encode(wanted))

    def finish(self, code: int, reason: str) -> None:
        """End when everything that waits has been sent."""
        with self._changed:
            self._closing = self._closing or (code, reason)
            self._changed.notify()

    def drop(self, reason: str) -> None:
        """End at once, whatever waits: somebody this slow would keep the rest waiting."""
        with self._changed:
            if self._over:
                return
            self._over = True
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify()
        threading.Thread(target=self._close, args=(TOO_SLOW, reason), daemon=True).start()

    def leave(self) -> None:
        """Send no more, and leave the connection as it is: others may send to it as well."""
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._bytes = 0
            self._changed.notify()

    def run(self) -> None:
        """Send what is offered until the end."""
        try:
            while not self._over:
                frames = self._next()
                if frames:
                    self._post(frames)
                elif self._closing is not None:
                    self._over = True
                    self._close(*self._closing)
                elif not self._over:
                    self._require()
        except Gone:
            pass
        except Unavailable as error:
            log.info("a viewer of %s is given up: %s", self.name, error)
        except Exception:
            log.exception("a viewer of %s cannot be served", self.name)
            self._close(BROKEN, "Something went wrong inside Slipway")
        finally:
            with self._changed:
                self._over = True
                self._waiting.clear()
                self._bytes = 0
            self.drained()

    def refuse(self, code: int, reason: str) -> None:
        """End before anything was sent."""
        self._over = True
        self._close(code, reason)

    def _next(self) -> bytes:
        """What waits, up to a bound; nothing when it is time to ask whether the viewer is there, or to end."""
        with self._changed:
            if not self._waiting and self._closing is None and not self._over:
                self._changed.wait(POLL_SECONDS)
            rest = self._posted + self.spacing() - time.monotonic()
            if self._waiting and rest > 0:
                self._changed.wait_for(lambda: self._over, rest)
            taken: list[Frames] = []
            size = 0
            while self._waiting and size < MOST_AT_ONCE:
                batch, weight = self._waiting.popleft()
                taken.append(batch)
                size += weight
            self._bytes -= size
        return b"".join(batch.frames(self.query, self.overlap) for batch in taken)

    def _post(self, frames: bytes) -> None:
        self._number += 1
        self._patiently(lambda: self._connections.post(self._connection, frames, self._number))
        self._progress = self._posted = time.monotonic()
        self.drained()

    def _require(self) -> None:
        self._patiently(lambda: self._connections.require(self._connection))

    def _patiently(self, call: Callable[[], None]) -> None:
        """Make a call; what is not reached in its first seconds may still be on its way."""
        while True:
            try:
                call()
            except Gone:
                if self._reached or time.monotonic() - self._opened > _OPENING_SECONDS:
                    raise
                time.sleep(0.1)
            else:
                self._reached = True
                return

    def _close(self, code: int, reason: str) -> None:
        try:
            self._patiently(lambda: self._connections.close(self._connection, code, reason))
        except SlipwayError as error:
            log.debug("a viewer of %s was not told why it ended: %s", self.name, error)


def _moment(ts: str) -> str:
    """A time that sorts as text: the engine leaves out trailing zeros of the fraction."""
    whole, _, fraction = ts.rstrip("Z").partition(".")
    return f"{whole}.{fraction:0<9}"
