"""Order automatic updates so that no container moves before what it depends on, or after that has failed to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from chalicelib.domain.attempts import AFTER_FAILURE
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.dependency import before, needs, waves
from chalicelib.domain.operation import CANCELLED, UPDATE, Operation, Phase
from chalicelib.ports.stores import AuditStore, OperationStore

Order = Callable[[Sequence[Container]], Iterable[str]]
"""Orders the updates of these that are wanted; gives the names of those containers."""


def update_in_waves(
    containers: Sequence[Container],
    peers: Sequence[Container],
    operations: OperationStore,
    audit: AuditStore,
    now: datetime,
    order: Order,
) -> list[str]:
    """Order those of one watcher that need wait for nobody; the names ordered. `peers` are all of that watcher.

    Nothing is remembered between calls: what moves and what failed is read from the operations. Whoever waits is asked
    for again when what it waits for has ended.
    """
    direct = needs(peers)
    known = {one.identity: one for one in peers}
    wanted = {one.identity: one for one in containers}
    moving = {one.identity for agent in {one.identity.agent for one in containers} for one in operations.open_of(agent)}
    ordered: list[str] = []
    for wave in waves(wanted, direct):
        ready = []
        for identity in wave:
            above = before(identity, direct)
            failure = next((one for up in sorted(above) if (one := _failure(known.get(up), operations, now))), None)
            if failure is not None:
                audit.add([_skipped(wanted[identity], failure, now)])
            elif not above & moving:
                ready.append(wanted[identity])
        names = set(order(ready)) if ready else set()
        moving |= {one.identity for one in ready if one.name in names}
        ordered += [one.name for one in ready if one.name in names]
    return ordered


def with_what_comes_before(
    containers: Sequence[Container], peers: Sequence[Container], wanted: Callable[[Container], bool]
) -> list[Container]:
    """These, and before them the `wanted` ones among all they depend on, as they are stored.

    A check of one container must not overtake a candidate of another that an earlier check has found.
    """
    direct = needs(peers)
    named = {one.identity for one in containers}
    above = {up for one in named for up in before(one, direct)} - named
    return [*(one for one in peers if one.identity in above and wanted(one)), *containers]


def _failure(container: Container | None, operations: OperationStore, now: datetime) -> Operation | None:
    """The update of it that ended badly a short while ago, while it still waits for that very candidate."""
    if container is None or container.candidate is None:
        return None
    newest = next((one for one in operations.history(container.identity) if one.kind == UPDATE and one.ended), None)
    if newest is None or newest.phase is Phase.SUCCEEDED or newest.reason_code == CANCELLED:
        return None
    current = newest.to_version == container.candidate.kind.remote_value
    return newest if current and now - newest.updated_at < AFTER_FAILURE else None


def _skipped(container: Container, failure: Operation, now: datetime) -> AuditEntry:
    """One row for each container and failure, however often it is asked for."""
    return AuditEntry(
        id=f"{failure.id}:{_key(container.identity)}:skipped",
        at=failure.ended_at or now,
        action="auto-update-blocked",
        status="info",
        identity=container.identity,
        image=container.image.name,
        from_version=container.update.local_value,
        to_version=container.update.remote_value,
        details=f"It is not updated for now: {failure.identity.name}, which it depends on, could not be updated",
    )


def _key(identity: Identity) -> str:
    return identity.key.replace("/", ":")
