"""Rate limits counted in this process; they hold for one instance only."""

from __future__ import annotations

import threading
from datetime import datetime

from chalicelib.ports.limits import Usage

CAPACITY = 10_000


class MemoryRateLimiter:
    """Fixed windows in a dictionary; at most `capacity` keys, the oldest window goes first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, window: int, now: datetime, most: int | None = None) -> Usage:  # noqa: ARG002
        """Count one more for the key; `window` is its length in seconds."""
        instant = now.timestamp()
        with self._lock:
            ends, count = self._windows.get(key, (0.0, 0))
            if ends <= instant:
                ends, count = instant + window, 0
                self._windows.pop(key, None)
                self._make_room(instant)
            self._windows[key] = (ends, count + 1)
        return Usage(count + 1, max(1, round(ends - instant)))

    def _make_room(self, instant: float) -> None:
        if len(self._windows) < self._capacity:
            return
        for key in [key for key, (ends, _) in self._windows.items() if ends <= instant]:
            del self._windows[key]
        while len(self._windows) >= self._capacity:
            del self._windows[next(iter(self._windows))]
