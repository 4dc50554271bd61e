"""Containers that want to be restarted when one they depend on was updated."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container
from chalicelib.domain.dependency import needs, restarts_with
from chalicelib.domain.operation import UPDATE, Operation, Phase
from chalicelib.ports.engine import EngineError, EngineUnavailable
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional, started_at


def restart_companions(host: Host, operation: Operation, _container: Container | None) -> None:
    """Restart them, each once: what started after the new container did is let be, and so is what is being changed."""
    if operation.kind != UPDATE or operation.phase is not Phase.SUCCEEDED or not operation.committed:
        return
    identity = operation.identity
    peers = host.containers.of_watcher(identity.agent, identity.watcher)
    wanted = [one for one in peers if restarts_with(one)]
    updated = inspect_optional(host.engine, operation.new_container_id) if wanted else None
    if updated is None:
        return
    direct = needs(peers)
    moving = {one.identity for one in host.operations.open_of(identity.agent)}
    for one in wanted:
        if identity in direct[one.identity] and one.identity not in moving:
            _restart(host, operation, one, started_at(updated))


def _restart(host: Host, operation: Operation, container: Container, since: datetime) -> None:
    document = inspect_optional(host.engine, container.id)
    if document is None or not document["State"].get("Running") or started_at(document) >= since:
        return
    status, details = "success", f"{operation.identity.name}, which it depends on, was updated"
    try:
        host.engine.restart(container.id)
    except EngineUnavailable:
        raise
    except EngineError as error:
        status, details = "error", f"{details}; {error}"
    entry = AuditEntry(
        id=f"{operation.id}:{container.name}:restart",
        at=operation.ended_at or operation.updated_at,
        action="container-restart",
        status=status,
        identity=container.identity,
        details=details,
    )
    host.audit.add([entry])
