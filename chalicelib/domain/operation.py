"""One attempt to change a container: its phases are facts in order, its status is derived from the last of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chalicelib.domain.container import Identity


class Phase(StrEnum):
    """The last fact reached. Each is recorded after its act and before the next one."""

    QUEUED = "queued"
    PREPARE = "prepare"
    RENAMED = "renamed"
    NEW_CREATED = "new-created"
    OLD_STOPPED = "old-stopped"
    NEW_STARTED = "new-started"
    HEALTH_GATE = "health-gate"
    HEALTH_GATE_PASSED = "health-gate-passed"
    SUCCEEDED = "succeeded"
    ROLLBACK_STARTED = "rollback-started"
    ROLLED_BACK = "rolled-back"
    ROLLBACK_FAILED = "rollback-failed"
    FAILED = "failed"
    """It ended before anything on the host was changed."""


_STATUS = {
    Phase.SUCCEEDED: "succeeded",
    Phase.ROLLED_BACK: "rolled-back",
    Phase.ROLLBACK_FAILED: "failed",
    Phase.FAILED: "failed",
}

REASONS = {
    "create_new_failed": "The new container could not be created",
    "stop_old_failed": "The old container could not be stopped",
    "start_new_failed": "The new container did not start or stopped again at once",
    "health_gate_failed": "Health check failed",
    "update_runtime_failed": "The update failed",
    "interrupted": "The update was interrupted",
    "cancelled": "It was cancelled",
}
"""Sentences for the codes an update can be rolled back for."""

UPDATE, RECREATION, ROLLBACK = "container-update", "container-recreate", "container-rollback"
"""Kinds: a move to another image, a copy on the same one because a namespace it lived in is gone, and a move back."""

CANCELLED = "cancelled"
"""The reason of an operation that was ended because somebody asked for that."""
WAS_CANCELLED = "it was cancelled"

PATIENCE = timedelta(minutes=5)
"""How far back an executor that comes up acts on what was asked while nobody listened."""

_CANCELLABLE = (Phase.QUEUED, Phase.PREPARE, Phase.RENAMED, Phase.NEW_CREATED)
_TEMPORARY = re.compile(r"^(?P<name>.+)-old-\d{10,}$")


@dataclass(frozen=True, slots=True)
class Operation:
    """One update or rollback of one container, as far as it has come."""

    id: str
    identity: Identity
    container_id: str
    created_at: datetime
    updated_at: datetime
    phase: Phase = Phase.QUEUED
    kind: str = UPDATE
    trigger: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    target_image: str | None = None
    reached: Phase = Phase.PREPARE
    """The last phase on the way forward: what a failed operation shows as its phase."""
    temp_name: str | None = None
    was_running: bool | None = None
    old_stopped: bool = False
    new_container_id: str | None = None
    new_image_id: str | None = None
    old_restart: str | None = None
    """The restart policy the old container has by right (`always`, `on-failure:3`); set aside it may have none."""
    dependents: tuple[str, ...] = ()
    """The ids of the containers that ran in a namespace of the old one before it was touched: whatever becomes of them
    while it is away, they are to run again."""
    committed: bool = False
    """Set before the old container is removed: from here on the new one is the one to keep."""
    bound_digest: str | None = None
    candidate_digest: str | None = None
    """What the tag of the candidate led to when it was asked for, where that was known."""
    policy_mark: str | None = None
    """The policy that held when it was asked for, told apart from every other one; absent without any."""
    backup_id: str | None = None
    """Of a rollback: the backup it returns to."""
    wanted_digest: str | None = None
    wanted_image_id: str | None = None
    """Of a rollback: the very image it returns to, by the registry's digest and by the engine's id."""
    automatic: bool = False
    """Whether nobody asked for it by hand."""
    reason_code: str | None = None
    last_error: str | None = None
    ended_at: datetime | None = None
    recovered_at: datetime | None = None
    cancel_requested: bool = False
    """Whether somebody asked for its end while it was under way: honoured until the old container is stopped."""
    revision: int = 0
    """Of the ledger this was read from; a write with an older one loses."""

    @property
    def ended(self) -> bool:
        """Whether it can change no more."""
        return self.phase in _STATUS

    @property
    def cancellable(self) -> bool:
        """Whether it can still be ended by asking: later than that its new container is taking over."""
        return self.phase in _CANCELLABLE and not self.committed

    def forgotten(self, attentive_since: datetime) -> bool:
        """Whether it was last heard of so long before its executor listened that nobody expects it any more."""
        return self.updated_at < attentive_since - PATIENCE

    @property
    def status(self) -> str:
        """`in-progress`, `succeeded`, `rolled-back` or `failed`."""
        return _STATUS.get(self.phase, "in-progress")

    @property
    def shown_phase(self) -> str:
        """The phase in the contract's words."""
        if self.phase is Phase.QUEUED:
            return Phase.PREPARE.value
        return (self.reached if self.phase is Phase.FAILED else self.phase).value

    @property
    def rollback_reason(self) -> str | None:
        """A sentence for people, when it was rolled back."""
        return REASONS.get(self.reason_code, self.reason_code) if self.reason_code else None

    def at(self, phase: Phase, now: datetime, **facts: object) -> Operation:
        """This operation with one more fact; ends it when the phase is a last one."""
        reached = self.reached if phase in _STATUS or phase is Phase.ROLLBACK_STARTED else phase
        ended = now if phase in _STATUS else None
        return replace(self, phase=phase, reached=reached, updated_at=now, ended_at=ended, **facts)  # type: ignore[arg-type]


def temporary_name(name: str, now: datetime) -> str:
    """What the old container is called while its successor proves itself: `{name}-old-{milliseconds}`."""
    return f"{name}-old-{int(now.timestamp() * 1000)}"


def original_name(name: str) -> str | None:
    """The name a temporary one stands for; None for every other name."""
    found = _TEMPORARY.match(name)
    return found["name"] if found else None


def prune(history: list[Operation], now: datetime, keep: int, days: int) -> list[Operation]:
    """The newest `keep` ended operations of the last `days` days, and every open one; newest first."""
    ordered = sorted(history, key=lambda operation: operation.created_at, reverse=True)
    horizon = now - timedelta(days=days)
    kept, ended = [], 0
    for operation in ordered:
        if operation.ended:
            ended += 1
            if ended > keep or operation.updated_at < horizon:
                continue
        kept.append(operation)
    return kept
