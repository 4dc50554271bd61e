"""Points in time as the API writes them: UTC, milliseconds, `Z`."""

from __future__ import annotations

from datetime import UTC, datetime


def write(moment: datetime) -> str:
    """`2021-06-12T05:33:38.440Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(text: str) -> datetime:
    """The moment an ISO 8601 text names; without a zone it is UTC. Digits beyond microseconds are dropped.

    Raises ValueError when it names none.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def write_optional(moment: datetime | None) -> str | None:
    """As `write`, and nothing for nothing."""
    return None if moment is None else write(moment)


def read_optional(text: str | None) -> datetime | None:
    """As `read`, and nothing for nothing."""
    return read(text) if text else None
