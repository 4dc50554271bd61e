"""One line of Slipway's own log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.errors import Invalid

KEPT = 1000
"""Entries that each process keeps in memory."""
LEVELS = ("trace", "debug", "info", "warn", "error")


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Written at `at` by a component; `source` and `number` tell it from every other, also across processes."""

    at: datetime
    level: str
    component: str
    message: str
    source: str
    number: int


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Entries of at least this level, of one component or all, after a moment; the last `tail` of them."""

    level: str | None = None
    component: str | None = None
    since: datetime | None = None
    tail: int = 100

    def choose(self, entries: Iterable[LogEntry]) -> list[LogEntry]:
        """Those that meet it, oldest first."""
        least = LEVELS.index(self.level) if self.level is not None else 0
        found = [
            entry
            for entry in entries
            if LEVELS.index(entry.level) >= least
            and (self.component is None or _within(entry.component, self.component))
            and (self.since is None or entry.at > self.since)
        ]
        found.sort(key=lambda entry: (entry.at, entry.source, entry.number))
        return found[-self.tail :] if self.tail else []

    def arguments(self) -> dict[str, Any]:
        """The query as arguments of a command."""
        since = self.since.timestamp() if self.since is not None else None
        return {"level": self.level, "component": self.component, "since": since, "tail": self.tail}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> EntryQuery:
        """The query in arguments of a command."""
        since = arguments["since"]
        moment = datetime.fromtimestamp(since, UTC) if since is not None else None
        return cls(arguments["level"], arguments["component"], moment, arguments["tail"])


def level_of(word: str | None) -> str | None:
    """A level by its name, in any case. Raises Invalid."""
    if word is None or word.lower() in ("", "all"):
        return None
    if word.lower() not in LEVELS:
        raise Invalid(f"level must be one of: {', '.join(LEVELS)}")
    return word.lower()


def _within(component: str, wanted: str) -> bool:
    return component == wanted or component.startswith(f"{wanted}.")
