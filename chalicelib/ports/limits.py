"""Counting how often somebody did something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Usage:
    """How often it was done in the current window, this time included, and the seconds until the window ends."""

    count: int
    resets_in: int


class RateLimiter(Protocol):
    """Fixed windows, one per key; the first hit opens the window."""

    def hit(self, key: str, window: int, now: datetime) -> Usage:
        """Count one more for the key; `window` is its length in seconds."""
        ...
