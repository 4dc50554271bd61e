"""An order to an executor. The item is the truth; the queue only says that there is one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.container import Identity

LEASE = timedelta(seconds=30)
"""How long a claim holds without being renewed."""
RENEWAL = timedelta(seconds=10)
RETENTION = timedelta(hours=1)
"""How long an ended command can still be asked for its result."""
STREAM_RETENTION = timedelta(hours=2, minutes=15)
"""API Gateway ends every connection after two hours; until then it must be known who sends to it."""
STALE = timedelta(minutes=5)
"""A command nobody has begun by then is refused: nobody expects a container to stop an hour after asking."""

_FIRST_PAUSE, _LONGEST_PAUSE, _DOUBLINGS = timedelta(seconds=1), timedelta(seconds=10), 4


class CommandKind(StrEnum):
    """What an executor can be told to do."""

    WATCH = "watch"
    UPDATE = "update"
    START = "start"
    STOP = "stop"
    RESTART = "restart"
    LOGS = "logs"
    STREAM_LOGS = "stream-logs"
    SAMPLE = "sample"
    LOG_ENTRIES = "log-entries"
    STREAM_ENTRIES = "stream-entries"
    TIDY = "tidy"
    """Look after what an interrupted or only half successful operation left on the host; an executor's own order."""
    REVEAL = "reveal"
    RUN_TRIGGER = "run-trigger"
    SCAN = "scan"
    SBOM = "sbom"
    PREVIEW = "preview"

    @property
    def kept(self) -> timedelta:
        """How long such a command is kept after its end."""
        return STREAM_RETENTION if self in _STREAMS else RETENTION


class CommandState(StrEnum):
    """Queued until claimed, running while claimed, then ended for good."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


_STREAMS = (CommandKind.STREAM_LOGS, CommandKind.STREAM_ENTRIES)


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

    @property
    def pause(self) -> timedelta:
        """How long to wait before it is taken up again, when it could not be ended for want of store or engine."""
        doublings: int = min(max(self.attempts - 1, 0), _DOUBLINGS)
        return min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)

    def stale(self, now: datetime) -> bool:
        """Whether it comes too late to be begun."""
        return self.attempts <= 1 and now - self.created_at > STALE

    def claimable(self, now: datetime) -> bool:
        """Whether nobody works on it: fresh, or its worker's lease ran out."""
        if self.state is CommandState.QUEUED:
            return True
        return self.state is CommandState.RUNNING and (self.lease_until is None or self.lease_until < now)


def about(identity: Identity, container_id: str) -> dict[str, Any]:
    """Arguments of a command about one container, known to its asker by that Docker id."""
    return {"watcher": identity.watcher, "name": identity.name, "container_id": container_id}


def subject(command: Command) -> tuple[Identity, str]:
    """The container such a command is about."""
    arguments = command.arguments
    return Identity(command.agent, arguments["watcher"], arguments["name"]), arguments["container_id"]


def about_operation(identity: Identity, container_id: str, operation_id: str) -> dict[str, Any]:
    """Arguments of a command to carry out, or to bring to its end, one operation."""
    return about(identity, container_id) | {"operation_id": operation_id}


def about_sbom(identity: Identity, container_id: str, format: str) -> dict[str, Any]:
    """Arguments of a command to make a bill of materials of what a container runs."""
    return about(identity, container_id) | {"format": format}


def operation_of(command: Command) -> str:
    """The operation such a command is about."""
    return str(command.arguments["operation_id"])


def about_each(identities: Sequence[Identity]) -> dict[str, Any]:
    """Arguments of a check of just these containers; a check without arguments is of everything."""
    return {"keys": [identity.key for identity in identities]}


def subjects(command: Command) -> list[Identity] | None:
    """The containers to check; None for all."""
    keys = command.arguments.get("keys")
    return None if keys is None else [Identity.of(command.agent, key) for key in keys]
