"""A rate limiter in memory: one instance, and every window it ever opened."""

from __future__ import annotations

import threading
from datetime import datetime

from chalicelib.ports.limits import Usage


class FakeRateLimiter:
    """Fixed windows in a dictionary."""

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, window: int, now: datetime, most: int | None = None) -> Usage:
        """Count one more for the key."""
        instant = now.timestamp()
        with self._lock:
            ends, count = self._windows.get(key, (0.0, 0))
            if ends <= instant:
                ends, count = instant + window, 0
            self._windows[key] = (ends, count + 1)
        return Usage(count + 1, max(1, round(ends - instant)))
