"""One viewer of a log: a short queue of frames, and a thread that sends them as fast as the viewer takes them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from chalicelib.domain.connection import BROKEN, POLL_SECONDS, TOO_SLOW, Connection
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.ports.connections import Connections, Gone
from local_runtime.executor.observing.overlap import Overlap

log = logging.getLogger(__name__)

MOST_WAITING = 4 * 1024 * 1024
"""Bytes of frames that may wait for one viewer."""
ENOUGH_WAITING = 1024 * 1024
"""So many keep a viewer busy: when nobody has fewer, no more are read."""
MOST_AT_ONCE = 512 * 1024
STALL_SECONDS = 10.0
"""A viewer that has taken nothing for this long, with frames waiting, is not waited for any more."""
CATCH_UP_SECONDS = 2.0
"""Others wait no longer for a viewer that is still being given the history."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 60.0, 120.0, 300.0)
"""Seconds between attempts to end a connection of API Gateway, which would keep it open in silence for two hours."""
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
        if query.stdout and query.stderr and (overlap is None or overlap.lets_through(self.lines)):
            with self._guard:
                if self._frames is None:
                    self._frames = self._connections.encode(self.lines)
                return self._frames
        wanted = [line for line in self.lines if query.wants(line.stream)]
        return self._connections.encode(overlap.new(wanted) if overlap else wanted)


class Viewer:
    """Sends to one connection. `offer` never waits; `drained` is called when there is room again, and at the end.

    `shared`: others send to the connection as well, so that it is not ours to end.
    """

    def __init__(
        self,
        connection: Connection,
        query: LogQuery,
        connections: Connections,
        name: str,
        *,
        shared: bool = False,
    ) -> None:
        self.query = query
        self.name = name
        self.overlap: Overlap | None = None
        self.catching_up = False
        """Whether it is still being given the history; it cannot be blamed for what waits meanwhile."""
        self.given_up = False
        """Whether it ended because its host did not answer."""
        self._shared = shared
        self._behind = False
        self._joined = time.monotonic()
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
            if self.over or self._behind:
                return
            if not self._waiting:
                self._progress = time.monotonic()
            self._waiting.append((batch, size))
            self._bytes += size
            self._changed.notify()

    def join(self, *, catching_up: bool) -> None:
        """A stream is about to feed it, whose history it has yet to be given or not."""
        with self._changed:
            self.catching_up, self._behind = catching_up, False
            self._joined = time.monotonic()

    def leave_behind(self) -> None:
        """Keep nothing more for one that has been catching up for so long: others do not wait for it."""
        with self._changed:
            if self.catching_up and time.monotonic() - self._joined > CATCH_UP_SECONDS:
                self._behind = True
                self._waiting.clear()
                self._bytes = 0

    def caught_up(self, overlap: Overlap) -> bool:
        """It has had the history; False when it was left behind meanwhile."""
        with self._changed:
            self.overlap, self.catching_up = overlap, False
            return not self._behind

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
            self.give_up(error)
        except Exception:
            log.exception("a viewer of %s cannot be served", self.name)
            self._close(BROKEN, "Something went wrong inside Slipway")
        finally:
            with self._changed:
                self._over = True
                self._waiting.clear()
                self._bytes = 0
            self.drained()

    def give_up(self, error: Unavailable) -> None:
        """Its host did not answer: whether it has what was sent last nobody knows, so that it must begin again."""
        log.info("a viewer of %s is given up: %s", self.name, error)
        self.given_up = True
        self.leave()
        if not self._shared:
            threading.Thread(target=self._end, name=f"end-{self.name}", daemon=True).start()

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

    def _end(self) -> None:
        """End it as soon as its host answers. Our own server does so by itself, for it hears nothing of us."""
        for pause in PAUSES:
            try:
                self._connections.close(self._connection, BROKEN, "The connection broke")
            except Gone:
                return
            except Unavailable:
                if self._connection.many:
                    return
                time.sleep(pause)
            else:
                return

    def _close(self, code: int, reason: str) -> None:
        try:
            self._patiently(lambda: self._connections.close(self._connection, code, reason))
        except SlipwayError as error:
            log.debug("a viewer of %s was not told why it ended: %s", self.name, error)
