"""Carry out commands: each kind one method, each end audited, each container's record true at once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.command import Command, CommandKind, operation_of, subject, subjects
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Failed, NotFound
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import Engine
from chalicelib.ports.stores import AuditStore, ContainerStore
from local_runtime.executor.busy import Busy
from local_runtime.executor.host import Host, inspect_optional
from local_runtime.executor.recover import recover
from local_runtime.executor.update import update
from local_runtime.executor.watcher import Watcher

log = logging.getLogger(__name__)

Result = Mapping[str, Any]

_VERBS: Mapping[str, Callable[[Engine, str], None]] = {
    "start": lambda engine, container: engine.start(container),
    "stop": lambda engine, container: engine.stop(container),
    "restart": lambda engine, container: engine.restart(container),
}


@dataclass(frozen=True, slots=True)
class Station:
    """One watched engine with what it takes to change it."""

    watcher: Watcher
    host: Host


class Performer:
    """Knows every kind of command. `later` runs something in the background."""

    def __init__(
        self,
        stations: Mapping[str, Station],
        containers: ContainerStore,
        audit: AuditStore,
        busy: Busy,
        later: Callable[[Callable[[], object]], object],
    ) -> None:
        self._stations = stations
        self._containers = containers
        self._audit = audit
        self._busy = busy
        self._later = later
        self._kinds: dict[CommandKind, Callable[[Command], Result]] = {
            CommandKind.WATCH: self._watch,
            CommandKind.UPDATE: self._update,
            CommandKind.START: lambda command: self._act(command, "start"),
            CommandKind.STOP: lambda command: self._act(command, "stop"),
            CommandKind.RESTART: lambda command: self._act(command, "restart"),
            CommandKind.REVEAL: self._reveal,
        }

    def perform(self, command: Command) -> Result:
        """Do it and say what came of it. Raises SlipwayError when it failed."""
        return self._kinds[command.kind](command)

    def resume(self, operation: Operation) -> Operation:
        """Bring an operation to its end, from wherever its executor left it, and tell everybody who needs to know."""
        station = self._station(operation.identity)
        with self._busy.hold(operation.identity):
            former = self._containers.get(operation.identity)
            begin = update if operation.phase is Phase.QUEUED else recover
            ended = begin(station.host, operation)
            current = station.watcher.replaced(ended.identity, _survivor(ended), former)
            self._note_end(ended, current or former)
        if current is not None and ended.phase is Phase.SUCCEEDED:
            self._later(lambda: station.watcher.check([current]))
        return ended

    def _watch(self, command: Command) -> Result:
        """Check everything, or just these containers."""
        wanted = subjects(command)
        if wanted is None:
            return {"checked": sum(station.watcher.scan() for station in self._stations.values())}
        checked = 0
        for name in {identity.watcher for identity in wanted}:
            checked += self._named(name).watcher.scan([one for one in wanted if one.watcher == name])
        return {"checked": checked}

    def _update(self, command: Command) -> Result:
        identity, _ = subject(command)
        host = self._station(identity).host
        operation = host.operations.get(identity, operation_of(command))
        if operation is None:
            raise NotFound(f"operation {operation_of(command)} is not in the ledger of {identity.name}")
        ended = operation if operation.ended else self.resume(operation)
        if ended.phase is not Phase.SUCCEEDED:
            raise Failed(ended.last_error or ended.rollback_reason or "the update failed", ended.id)
        return {"operation_id": ended.id, "container_id": _survivor(ended)}

    def _act(self, command: Command, verb: Literal["start", "stop", "restart"]) -> Result:
        """Start, stop or restart; already being in that state is no error."""
        identity, container_id = subject(command)
        station = self._station(identity)
        with self._busy.hold(identity):
            document = inspect_optional(station.watcher.engine, container_id)
            if document is None:
                raise NotFound(f"{identity.name} is gone from its host")
            try:
                _VERBS[verb](station.watcher.engine, container_id)
            except Exception as error:
                self._note(identity, f"container-{verb}", "error", str(error))
                raise
            self._note(identity, f"container-{verb}", "success")
            former = self._containers.get(identity)
            station.watcher.replaced(identity, container_id, former)
        return {"container_id": container_id}

    def _reveal(self, command: Command) -> Result:
        """The environment as it is, secrets included: whoever asked deletes the command, and nothing is logged."""
        identity, container_id = subject(command)
        document = inspect_optional(self._station(identity).watcher.engine, container_id)
        if document is None:
            raise NotFound(f"{identity.name} is gone from its host")
        variables = (entry.partition("=") for entry in document["Config"].get("Env") or ())
        return {"env": [[key, value] for key, _, value in variables]}

    def _station(self, identity: Identity) -> Station:
        return self._named(identity.watcher)

    def _named(self, watcher: str) -> Station:
        try:
            return self._stations[watcher]
        except KeyError:
            raise NotFound(f"this executor has no watcher named {watcher}") from None

    def _note_end(self, operation: Operation, container: Container | None) -> None:
        good = operation.phase is Phase.SUCCEEDED
        rows = [
            self._entry(operation, container, "update-applied" if good else "update-failed"),
            self._entry(operation, container, "container-update"),
        ]
        if operation.phase in (Phase.ROLLED_BACK, Phase.ROLLBACK_FAILED):
            rows.append(self._entry(operation, container, "rollback", good=operation.phase is Phase.ROLLED_BACK))
        self._audit.add(rows)

    def _entry(
        self, operation: Operation, container: Container | None, action: str, *, good: bool | None = None
    ) -> AuditEntry:
        succeeded = operation.phase is Phase.SUCCEEDED if good is None else good
        return AuditEntry(
            id=f"{operation.id}:{action}",
            at=operation.updated_at,
            action=action,
            status="success" if succeeded else "error",
            identity=operation.identity,
            image=container.image.name if container else None,
            from_version=operation.from_version,
            to_version=operation.to_version,
            trigger=operation.trigger,
            details=operation.last_error,
        )

    def _note(self, identity: Identity, action: str, status: str, details: str | None = None) -> None:
        station = self._station(identity)
        clock = station.host.clock
        entry = AuditEntry(clock.new_id(), clock.now(), action, status, identity, details=details)
        self._audit.add([entry])


def _survivor(operation: Operation) -> str:
    """The Docker id of whichever container stands under the name now."""
    if operation.phase is Phase.SUCCEEDED and operation.new_container_id is not None:
        return operation.new_container_id
    return operation.container_id
