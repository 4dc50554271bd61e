"""Update by itself what docker triggers are configured to update, unless that very candidate has failed before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from chalicelib.domain.container import Candidate, Container
from chalicelib.domain.errors import Conflict, Failed, Invalid, NotFound
from chalicelib.domain.operation import UPDATE, Operation, Phase
from chalicelib.domain.routing import automatic, passes, routing_labels, served
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.stores import FleetReader, OperationStore
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import DOCKER_TYPES, request_update

AFTER_FAILURE = timedelta(hours=6)
"""What failed before anything was changed may have failed for a reason that passes."""


def update_automatically(
    containers: Iterable[Container],
    triggers: Sequence[Trigger],
    fleet: FleetReader,
    ordering: Ordering,
    operations: OperationStore,
) -> list[str]:
    """Order the updates that are wanted without asking; the names of those containers. Policies hold as ever."""
    wanted = [(one, trigger) for one in containers if (trigger := acting(one, triggers)) is not None]
    ordered = []
    for container, trigger in wanted:
        entry = fleet.fleet().at(container.identity)
        if entry is None or entry.operation is not None or container.candidate is None:
            continue
        now = ordering.clock.now()
        if tried(container, container.candidate, operations.history(container.identity), now):
            continue
        try:
            request_update(entry, ordering, operations, trigger.id)
        except (Conflict, Failed, Invalid, NotFound):
            # Held back by policy, by the gate or by another operation: the next check asks again.
            continue
        ordered.append(container.name)
    return ordered


def acting(container: Container, triggers: Sequence[Trigger]) -> Trigger | None:
    """The docker trigger that updates this container without being asked."""
    if container.candidate is None:
        return None
    labels = routing_labels(container)
    docker = [one for one in triggers if one.type in DOCKER_TYPES]
    able = [one for one in served(docker, labels) if automatic(one, labels)]
    return next((one for one in able if passes(one, container.update)), None)


def tried(container: Container, candidate: Candidate, history: Sequence[Operation], now: datetime) -> bool:
    """Whether this container was moved to this candidate before, in vain, and nothing has changed since.

    After a rollback the same container stands there again. A new candidate, or a container made anew, is a change.
    """
    wanted = candidate.kind.remote_value
    past = [one for one in history if one.kind == UPDATE and one.ended and one.created_at >= candidate.detected_at]
    same = [one for one in past if one.to_version == wanted and one.container_id == container.id]
    if any(one.phase in (Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED) for one in same):
        return True
    return any(one.phase is Phase.FAILED and now - one.updated_at < AFTER_FAILURE for one in same)
