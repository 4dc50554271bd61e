"""Answers of registries, kept in this process."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import Answer


class MemoryCache:
    """A RegistryCache in this process, for as long as it runs; the oldest answers go first."""

    def __init__(self, clock: Clock, max_entries: int = 5000) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[Answer, datetime]] = {}
        self._asking: dict[str, datetime] = {}

    def get(self, key: str) -> Answer | None:
        """The answer kept under this key."""
        with self._lock:
            kept = self._answers.get(key)
        return kept[0] if kept and kept[1] > self._clock.now() else None

    def put(self, key: str, answer: Answer, keep_seconds: int) -> None:
        """Keep an answer for that long."""
        with self._lock:
            self._asking.pop(key, None)
            self._answers.pop(key, None)
            self._answers[key] = (answer, self._clock.now() + timedelta(seconds=keep_seconds))
            while len(self._answers) > self._max_entries:
                del self._answers[next(iter(self._answers))]

    def reserve(self, key: str, seen: Answer | None, seconds: float) -> bool:
        """Announce a question; False when another asks it now, or has put an answer since the one `seen`."""
        now = self._clock.now()
        with self._lock:
            asking = self._asking.get(key)
            kept = self._answers.get(key)
            if (asking is not None and asking > now) or (kept is not None and kept[1] > now and kept[0] != seen):
                return False
            self._asking[key] = now + timedelta(seconds=seconds)
            return True

    def release(self, key: str) -> None:
        """End a reservation without an answer."""
        with self._lock:
            self._asking.pop(key, None)
