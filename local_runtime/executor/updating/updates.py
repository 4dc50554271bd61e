"""The orders that change what a container is made of: updates from wherever they stand, and what they leave behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.command import operation_of, subject
from chalicelib.domain.errors import Conflict, Failed, NotFound
from chalicelib.domain.gate import REASON
from chalicelib.domain.operation import RECREATION, Operation, Phase
from local_runtime.executor.aftercare.conclusion import Conclusion, survivor
from local_runtime.executor.aftercare.tidy import put_right, stranded_dependents
from local_runtime.executor.busy import Busy
from local_runtime.executor.claim import Claim
from local_runtime.executor.deputies.deputy import IMPOSSIBLE, Deputies
from local_runtime.executor.host import Host
from local_runtime.executor.station import Station
from local_runtime.executor.updating.ledger import record
from local_runtime.executor.updating.recover import INTERRUPTED, recover
from local_runtime.executor.updating.update import update
from local_runtime.executor.watching.watcher import Watcher

_TOO_LATE = "the executor was not there when it was asked for; ask again"


class Updates:
    """Carries them out, one at a time for each container.

    `later` runs something in the background; `hurry` says that there are new operations to be adopted.
    """

    def __init__(
        self,
        conclusion: Conclusion,
        busy: Busy,
        later: Callable[[Callable[[], object]], object],
        hurry: Callable[[], None],
        deputies: Deputies | None = None,
    ) -> None:
        self._conclusion = conclusion
        self._busy = busy
        self._later = later
        self._hurry = hurry
        self._deputies = deputies

    def update(self, station: Station, claim: Claim, attentive_since: datetime) -> Mapping[str, Any]:
        """Bring an operation to its end, from wherever it stands. One that has ended is told about again."""
        identity, _ = subject(claim.command)
        host = station.hold(claim)
        with self._busy.hold(identity):
            operation = host.operations.get(identity, operation_of(claim.command))
            if operation is None:
                raise NotFound(f"operation {operation_of(claim.command)} is not in the ledger of {identity.name}")
            if not operation.ended:
                with self._busy.hold_project(identity, operation.trigger, host.containers.get):
                    operation = self._entrusted(host, operation, attentive_since) or _resume(
                        host, operation, attentive_since
                    )
            self._conclusion.of(station.watcher, host, operation)
        self._look_again(station.watcher, operation)
        if operation.reason_code == IMPOSSIBLE:
            raise Conflict(operation.last_error or IMPOSSIBLE, operation.id)
        if operation.reason_code == REASON:
            raise Conflict(operation.last_error or "the security gate blocks it", operation.id)
        if _replaced(operation):
            self._follow_provider(station, host)
        if operation.phase is not Phase.SUCCEEDED:
            raise Failed(operation.last_error or operation.rollback_reason or "the update failed", operation.id)
        return {"operation_id": operation.id, "container_id": survivor(operation)}

    def tidy(self, station: Station, claim: Claim) -> int:
        """Look after what was left on a host; how many containers were cleared away."""
        host = station.hold(claim)
        agent, watcher = station.watcher.agent, station.watcher.name
        removed = put_right(host, agent, watcher, self._busy)
        if self._deputies is not None:
            removed += self._deputies.clear(host, agent, watcher)
        self._follow_provider(station, host)
        return removed

    def _entrusted(self, host: Host, operation: Operation, attentive_since: datetime) -> Operation | None:
        """Nobody updates the container he runs in: that is left to a deputy, which ends with HandedOver."""
        return self._deputies.entrust(host, operation, attentive_since) if self._deputies is not None else None

    def _follow_provider(self, station: Station, host: Host) -> None:
        """Have made anew whatever lived in a namespace of a container that is no more.

        Each is an operation of its own, which the worker adopts: so it is claimed, and survives this executor.
        """
        if list(stranded_dependents(host, station.watcher.agent, station.watcher.name)):
            self._hurry()

    def _look_again(self, watcher: Watcher, operation: Operation) -> None:
        """What happened to the container while it was held was not looked at."""
        container_id = survivor(operation)

        def look() -> None:
            container = watcher.refresh(container_id)
            if container is not None and operation.phase is Phase.SUCCEEDED:
                watcher.check([container])

        self._later(look)


def _replaced(operation: Operation) -> bool:
    """Whether there may be containers in a namespace of one that is no more: also one that removed itself comes back
    under another id. A copy that could not be made is tried again when tidying, unless it was merely interrupted.
    """
    if operation.phase is Phase.SUCCEEDED or operation.reason_code == INTERRUPTED:
        return True
    return operation.kind != RECREATION and operation.phase is not Phase.FAILED


def _resume(host: Host, operation: Operation, attentive_since: datetime) -> Operation:
    # Nobody asks for a copy: it is made because a container has lost its place, which waiting does not give back.
    forgotten = operation.kind != RECREATION and operation.forgotten(attentive_since)
    if operation.phase is not Phase.QUEUED:
        return recover(host, operation, forgotten=forgotten)
    if forgotten:
        return record(host, operation, Phase.FAILED, last_error=_TOO_LATE)
    return update(host, operation)
