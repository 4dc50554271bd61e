"""The machine's clock and its random identifiers."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime


class SystemClock:
    """Time as the machine tells it."""

    def now(self) -> datetime:
        """The time, in UTC, aware."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, whatever is done to the machine's clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that long."""
        time.sleep(seconds)

    def new_id(self) -> str:
        """A random UUID."""
        return str(uuid.uuid4())
