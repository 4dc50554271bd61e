"""Counting how often somebody did something, and how often they failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.lockout import LockoutRule


@dataclass(frozen=True, slots=True)
class Usage:
    """How often it was done in the current window, this time included, and the seconds until the window ends."""

    count: int
    resets_in: int


class RateLimiter(Protocol):
    """Fixed windows, one per key; the first hit opens the window."""

    def hit(self, key: str, window: int, now: datetime, most: int | None = None) -> Usage:
        """Count one more for the key; `window` is its length in seconds.

        `most` is how many are allowed: a limiter that many instances share may keep back a small part of it before it
        tells the others. Without it every hit is told at once.
        """
        ...


class Attempts(Protocol):
    """Failed attempts by subject, shared by every instance."""

    def locked_until(self, subjects: Sequence[str], now: datetime, max_age: float = 0.0) -> datetime | None:
        """Until when one of these is locked, if any is; an open one may have been read `max_age` seconds ago."""
        ...

    def fail(self, subject: str, rule: LockoutRule, now: datetime) -> datetime | None:
        """Count one more failure; until when that locks the subject, if it does."""
        ...

    def clear(self, subject: str) -> None:
        """Forget the failures of a subject."""
        ...
