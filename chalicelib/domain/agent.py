"""An executor and its host, as they last reported themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

HEARTBEAT = timedelta(seconds=10)
SILENCE = timedelta(seconds=45)
"""After this long without a heartbeat an agent counts as gone."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent. `changes` counts what was written of each noun, so that a reader knows what to read again."""

    name: str
    seen_at: datetime | None = None
    executor: str | None = None
    watchers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, int] = field(default_factory=dict)

    def connected(self, now: datetime) -> bool:
        """Whether it has been heard of lately."""
        return self.seen_at is not None and now - self.seen_at < SILENCE
