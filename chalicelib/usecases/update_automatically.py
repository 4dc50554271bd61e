"""Update by itself what docker triggers are configured to update, unless that very candidate has failed before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chalicelib.domain.attempts import tried
from chalicelib.domain.compose_routing import by_precedence
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Conflict, Failed, Invalid, NotFound
from chalicelib.domain.routing import automatic, own_routing_labels, passes, served
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.stores import FleetReader, OperationStore
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import DOCKER_TYPES, request_update


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
        if tried(container, container.candidate, operations.history(container.identity), now, entry.policy):
            continue
        try:
            request_update(entry, ordering, operations, trigger.id, automatic=True)
        except (Conflict, Failed, Invalid, NotFound):
            # Held back by policy, by the gate or by another operation: the next check asks again.
            continue
        ordered.append(container.name)
    return ordered


def acting(container: Container, triggers: Sequence[Trigger]) -> Trigger | None:
    """The docker trigger that updates this container without being asked."""
    if container.candidate is None:
        return None
    labels = own_routing_labels(container)
    docker = by_precedence((one for one in triggers if one.type in DOCKER_TYPES), labels)
    able = [one for one in served(docker, labels) if automatic(one, labels)]
    return next((one for one in able if passes(one, container.update)), None)
