"""An order to an executor. The item is the truth; the queue only says that there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

LEASE = timedelta(seconds=30)
"""How long a claim holds without being renewed."""
RENEWAL = timedelta(seconds=10)
RETENTION = timedelta(hours=1)
"""How long an ended command can still be asked for its result."""


class CommandKind(StrEnum):
    """What an executor can be told to do."""

    WATCH = "watch"
    UPDATE = "update"
    START = "start"
    STOP = "stop"
    RESTART = "restart"


class CommandState(StrEnum):
    """Queued until claimed, running while claimed, then ended for good."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Command:
    """One order. `arguments` and `result` are small JSON objects whose members the kind defines."""

    id: str
    agent: str
    kind: CommandKind
    created_at: datetime
    arguments: Mapping[str, Any] = field(default_factory=dict)
    state: CommandState = CommandState.QUEUED
    owner: str | None = None
    lease_until: datetime | None = None
    attempts: int = 0
    result: Mapping[str, Any] = field(default_factory=dict)
    ended_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether a result stands."""
        return self.state in (CommandState.DONE, CommandState.FAILED)

    def claimable(self, now: datetime) -> bool:
        """Whether nobody works on it: fresh, or its worker's lease ran out."""
        if self.state is CommandState.QUEUED:
            return True
        return self.state is CommandState.RUNNING and (self.lease_until is None or self.lease_until < now)
