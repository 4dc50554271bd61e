"""What to do about an operation that did not go through, from what stands on the host: the one undo of an update."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from chalicelib.domain.operation import RECREATION, Operation, Phase


class Step(Enum):
    """One idempotent act on the host."""

    STOP_NEW = auto()
    REMOVE_NEW = auto()
    RECREATE_OLD = auto()
    """Make the old container once more, under its temporary name: the engine removed it when it stopped (`--rm`)."""
    RESTORE_RESTART = auto()
    """Give the old container its restart policy back: set aside it has none, so that a restarted engine lets it be."""
    RESTORE_NAME = auto()
    START_OLD = auto()
    START_NEW = auto()
    REMOVE_OLD = auto()


class Course(Enum):
    """How it goes on after the steps."""

    END = auto()
    BEGIN_AGAIN = auto()
    """Nothing on the host has been touched."""
    RESUME_GATE = auto()
    """The new container runs; all that is missing is its proof."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A container as it stands on the host."""

    id: str
    name: str
    running: bool
    health: str | None = None
    restart: str | None = None
    """Its restart policy, as an operation writes it down; absent when it has none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What stands for an operation: the old container, the new one, and a stranger under the original name."""

    old: Seen | None = None
    new: Seen | None = None
    stranger: Seen | None = None
    recreatable: bool = False
    """Whether enough was kept of the old container to make it once more."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in order, then the course; `end` is the last phase when the course ends there."""

    steps: tuple[Step, ...] = ()
    course: Course = Course.END
    end: Phase = Phase.ROLLED_BACK
    problem: str | None = None


_BEFORE_ANY_ACT = (Phase.QUEUED, Phase.PREPARE)
_NOWHERE_TO_RUN = "it lived in a namespace of a container that is no more, so it could not be started as it was"
_AT_THE_GATE = (Phase.OLD_STOPPED, Phase.NEW_STARTED, Phase.HEALTH_GATE)


def plan(operation: Operation, seen: Observed, *, failed: bool) -> Plan:
    """How to end the operation well.

    `failed` says that the update itself went wrong; otherwise its executor died, and what was fine may go on.
    Once the steps are carried out, a plan for what is then seen has none left.
    """
    if operation.committed and seen.new is not None:
        return Plan((*_run_new(operation, seen.new), *_drop_old(seen)), end=Phase.SUCCEEDED)
    if not failed and not operation.committed:
        if _untouched(operation, seen):
            return Plan(course=Course.BEGIN_AGAIN)
        if _provable(operation, seen):
            return Plan(course=Course.RESUME_GATE)
    if seen.old is None:
        return _without_old(operation, seen, failed=failed)
    if operation.reached in _BEFORE_ANY_ACT and _untouched(operation, seen):
        return Plan(end=Phase.FAILED)
    return _roll_back(operation, seen.old, seen)


def _roll_back(operation: Operation, old: Seen, seen: Observed) -> Plan:
    steps = list(_take_down(seen.new))
    misnamed = old.name != operation.identity.name
    if _policy_taken(operation, old):
        steps.append(Step.RESTORE_RESTART)
    if misnamed and seen.stranger is None:
        steps.append(Step.RESTORE_NAME)
    stands_still = bool(operation.was_running) and not old.running
    if stands_still and operation.kind == RECREATION:
        return Plan(tuple(steps), end=Phase.ROLLBACK_FAILED, problem=_NOWHERE_TO_RUN)
    if stands_still:
        steps.append(Step.START_OLD)
    if misnamed and seen.stranger is not None:
        problem = f"another container took the name {operation.identity.name}; the old one is left as {old.name}"
        return Plan(tuple(steps), end=Phase.ROLLBACK_FAILED, problem=problem)
    return Plan(tuple(steps))


def _without_old(operation: Operation, seen: Observed, *, failed: bool) -> Plan:
    """The old container is gone: it is made once more, or whatever is left under the name must run."""
    if seen.new is None and operation.reached in _BEFORE_ANY_ACT:
        return Plan(end=Phase.FAILED, problem="the container is gone")
    if seen.stranger is not None:
        problem = f"the old container is gone, and another one bears the name {operation.identity.name}"
        return Plan(_take_down(seen.new), end=Phase.ROLLBACK_FAILED, problem=problem)
    if seen.recreatable and not operation.committed:
        return Plan((Step.RECREATE_OLD,))
    if seen.new is None:
        return Plan(end=Phase.ROLLBACK_FAILED, problem="the container and its replacement are both gone")
    if failed:
        problem = "the old container is gone, so the new one was kept"
        return Plan(_run_new(operation, seen.new), end=Phase.ROLLBACK_FAILED, problem=problem)
    return Plan(_run_new(operation, seen.new), end=Phase.SUCCEEDED)


def _take_down(new: Seen | None) -> tuple[Step, ...]:
    if new is None:
        return ()
    return (Step.STOP_NEW, Step.REMOVE_NEW) if new.running else (Step.REMOVE_NEW,)


def _run_new(operation: Operation, new: Seen) -> tuple[Step, ...]:
    return (Step.START_NEW,) if operation.was_running and not new.running else ()


def _drop_old(seen: Observed) -> tuple[Step, ...]:
    return (Step.REMOVE_OLD,) if seen.old is not None else ()


def _untouched(operation: Operation, seen: Observed) -> bool:
    old = seen.old
    if operation.temp_name is None:
        return True
    return (
        old is not None
        and old.name == operation.identity.name
        and not _policy_taken(operation, old)
        and seen.new is None
        # A copy is made because the container has lost its place, and may have ended with it.
        and (old.running or not operation.was_running or operation.kind == RECREATION)
    )


def _policy_taken(operation: Operation, old: Seen) -> bool:
    return operation.old_restart is not None and old.restart != operation.old_restart


def _provable(operation: Operation, seen: Observed) -> bool:
    """Whether the new container runs as it should at this phase. Two running at once are never let be."""
    new, old = seen.new, seen.old
    if new is None or not new.running or new.health == "unhealthy":
        return False
    return operation.phase in _AT_THE_GATE and (old is None or not old.running)
