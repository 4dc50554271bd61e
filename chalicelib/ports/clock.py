"""Time and chance, so that tests can hold them still."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Where the time comes from."""

    def now(self) -> datetime:
        """The time, in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment, to measure how long something takes: setting the machine's clock moves it not."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        ...

    def new_id(self) -> str:
        """An identifier nobody else has: a UUID."""
        ...
