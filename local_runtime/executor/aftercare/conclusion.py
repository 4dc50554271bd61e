"""What follows the end of an operation, however often it is told: the container's record, the audit, the disk."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.audit import AuditEntry, about
from chalicelib.domain.command import Command
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Stale
from chalicelib.domain.operation import RECREATION, ROLLBACK, Operation, Phase
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import EngineError, EngineUnavailable
from chalicelib.ports.stores import AuditStore, ContainerStore
from local_runtime.executor.host import Host
from local_runtime.executor.watching.watcher import Watcher

log = logging.getLogger(__name__)

_PAUSES = (0.0, 0.5, 2.0)

Followup = Callable[[Host, Operation, Container | None], object]
"""One more thing to do once an operation has ended; told again after a crash, so doing it twice must change nothing."""


@dataclass(frozen=True, slots=True)
class Conclusion:
    """Tells everybody who needs to know."""

    containers: ContainerStore
    audit: AuditStore
    clock: Clock
    ended: Callable[[Operation, Container | None], object] = lambda _operation, _container: None
    """Told of every end, as often as it is concluded."""
    followups: Sequence[Followup] = ()
    """Done on the host, in order; one that fails is logged and stops none of the others."""

    def of(self, watcher: Watcher, host: Host, operation: Operation) -> None:
        """Everything about this ended operation; doing it again changes nothing. Raises EngineUnavailable."""
        former = self.containers.get(operation.identity)
        current = self._look(watcher, operation, former)
        self._note_end(operation, current or former)
        self.ended(operation, current or former)
        self._follow_up(host, operation, current or former)
        host.blueprints.forget(operation.id)

    def _follow_up(self, host: Host, operation: Operation, container: Container | None) -> None:
        for followup in self.followups:
            try:
                followup(host, operation, container)
            except (Stale, EngineUnavailable):
                raise
            except Exception as error:
                log.warning("after the end of operation %s: %s", operation.id, error)

    def note(self, identity: Identity, command: Command, status: str, details: str | None = None) -> None:
        """One row about a command carried out on a container; one that is repeated after a crash has it already."""
        action = f"container-{command.kind}"
        row_id = f"{command.id}:{action}:{status}"
        self.audit.add([AuditEntry(row_id, command.created_at, action, status, identity, details=details)])

    def _look(self, watcher: Watcher, operation: Operation, former: Container | None) -> Container | None:
        """Store what stands there now; what the engine refuses to show is left to the next scan."""
        for pause in _PAUSES:
            self.clock.sleep(pause)
            try:
                return watcher.replaced(operation.identity, survivor(operation), former, operation.container_id)
            except EngineError as error:
                if error.transient:
                    raise
                log.warning("%s cannot be looked at: %s", operation.identity.name, error)
        return None

    def _note_end(self, operation: Operation, container: Container | None) -> None:
        if operation.kind == ROLLBACK:
            self.audit.add([_entry(operation, container, "auto-rollback" if operation.automatic else "rollback")])
            return
        rows = [_entry(operation, container, "container-update")]
        if operation.kind != RECREATION:
            good = operation.phase is Phase.SUCCEEDED
            rows.append(_entry(operation, container, "update-applied" if good else "update-failed"))
        if operation.phase in (Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED):
            rows.append(_entry(operation, container, "rollback", good=operation.phase is Phase.ROLLED_BACK))
        self.audit.add(rows)


def survivor(operation: Operation) -> str:
    """The Docker id of whichever container stands under the name now."""
    if operation.phase is Phase.SUCCEEDED and operation.new_container_id is not None:
        return operation.new_container_id
    return operation.container_id


def _entry(operation: Operation, container: Container | None, action: str, *, good: bool | None = None) -> AuditEntry:
    succeeded = operation.phase is Phase.SUCCEEDED if good is None else good
    status = "success" if succeeded else "error"
    row = about(operation, action, status, operation.last_error, at=operation.updated_at)
    return replace(row, image=container.image.name if container else None, code=operation.reason_code)
