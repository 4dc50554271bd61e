"""How hard each registry host may be asked: concurrency, pace, and the circuits that a 429 or silence opens."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from chalicelib.adapters.registry.providers import Pace
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import RegistryLimited, RegistryState, RegistryUnavailable

PATIENCE_SECONDS = 10.0
"""The longest a check waits for a host that asked for a pause; beyond it the check fails and says until when."""
SILENCES = 3
AWAY_SECONDS = 30.0
"""After so many silences in a row a host is left alone for so long: each costs a worker that other hosts wait for."""
PUBLIC_CONCURRENCY = 4
OWN_CONCURRENCY = 10


class HostTraffic:
    """The traffic to one host; thread-safe."""

    def __init__(self, host: str, pace: Pace | None, clock: Clock) -> None:
        self.host = host
        self._pace = pace
        self._clock = clock
        self._slots = threading.BoundedSemaphore(PUBLIC_CONCURRENCY if pace else OWN_CONCURRENCY)
        self._lock = threading.Lock()
        self._tokens = float(pace.burst) if pace else 0.0
        self._filled_at = clock.now()
        self._limited_until: datetime | None = None
        self._silences = 0
        self._away_until: datetime | None = None
        self._trouble = ""
        self._remaining: int | None = None
        self._limit: int | None = None
        self._requests = 0
        self._seconds = 0.0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Waits until a request may be sent, and counts it.

        Raises RegistryLimited when that would take too long, and RegistryUnavailable while the host is silent.
        """
        self._refuse_while_away()
        self._wait_out_the_limit()
        self._wait_for_a_token()
        with self._slots:
            # Another request may have been told to stop, or told nothing, while this one waited.
            self._refuse_while_away()
            self._wait_out_the_limit()
            began = time.monotonic()
            try:
                yield
            finally:
                with self._lock:
                    self._requests += 1
                    self._seconds += time.monotonic() - began

    def answered(self) -> None:
        """The host is there."""
        with self._lock:
            self._silences = 0

    def silent(self, trouble: str) -> None:
        """A call got no answer; `trouble` says in words why, also to those that will not be sent."""
        with self._lock:
            self._silences += 1
            self._trouble = trouble
            if self._silences >= SILENCES:
                self._away_until = self._clock.now() + timedelta(seconds=AWAY_SECONDS)

    def limit(self, seconds: float) -> None:
        """The host asked for a pause; a shorter one never ends a longer one."""
        until = self._clock.now() + timedelta(seconds=seconds)
        with self._lock:
            if self._limited_until is None or until > self._limited_until:
                self._limited_until = until

    def note_quota(self, remaining: str | None, limit: str | None) -> None:
        """The host's `ratelimit-*` headers, such as `76;w=21600`."""
        with self._lock:
            self._remaining = _leading_number(remaining, self._remaining)
            self._limit = _leading_number(limit, self._limit)

    def state(self) -> RegistryState:
        """How the host does now."""
        with self._lock:
            until = self._limited_until
            if until is not None and until <= self._clock.now():
                until = None
            return RegistryState(self.host, until, self._remaining, self._limit, self._requests, self._seconds)

    def _refuse_while_away(self) -> None:
        with self._lock:
            if self._away_until is None or self._silences == 0:
                return
            seconds = (self._away_until - self._clock.now()).total_seconds()
            if 0 < seconds <= AWAY_SECONDS:
                raise RegistryUnavailable(f"{self._trouble} (asked again in {seconds:.0f} s)", seconds)

    def _wait_out_the_limit(self) -> None:
        while (seconds := self._limited_for()) > 0:
            if seconds > PATIENCE_SECONDS:
                raise RegistryLimited(f"{self.host} asks us to wait {seconds:.0f} s (too many requests)", seconds)
            self._clock.sleep(seconds)

    def _limited_for(self) -> float:
        with self._lock:
            if self._limited_until is None:
                return 0.0
            return (self._limited_until - self._clock.now()).total_seconds()

    def _wait_for_a_token(self) -> None:
        if self._pace is None:
            return
        with self._lock:
            now = self._clock.now()
            earned = (now - self._filled_at).total_seconds() * self._pace.rate
            self._tokens = min(self._pace.burst, self._tokens + max(earned, 0.0)) - 1
            self._filled_at = now
            wait = -self._tokens / self._pace.rate
        # A negative balance is a place in the queue: each waits for its own token, in turn.
        if wait > 0:
            self._clock.sleep(wait)


def _leading_number(header: str | None, otherwise: int | None) -> int | None:
    digits = (header or "").split(";")[0].strip()
    return int(digits) if digits.isdecimal() and len(digits) < 10 else otherwise
