"""Trying again to bring compose files in step whose change failed after the update was committed."""

from __future__ import annotations

import logging
from datetime import timedelta

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.errors import Stale
from chalicelib.domain.operation import Operation
from chalicelib.ports.engine import EngineUnavailable
from local_runtime.executor.busy import Busy
from local_runtime.executor.compose.step import TRIGGER, keep_in_step
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional

log = logging.getLogger(__name__)

FOR = timedelta(days=1)
"""So long after the operation it is tried again; later it is for the operator."""


def retry_edits(host: Host, agent: str, watcher: str, busy: Busy) -> None:
    """Once more for each operation whose row says that its file was not changed, while its container is the one here.

    Only such a row makes it try: a file that was changed and that somebody changed back is theirs.
    Raises EngineUnavailable.
    """
    if not any(one.type == TRIGGER for one in host.settings.triggers.triggers):
        return
    now = host.clock.now()
    rows = [one for one in host.audit.between([agent], now - FOR, now) if one.action == "compose-file"]
    settled = {_operation_of(one) for one in rows if one.status != "error"}
    for row in rows:
        if row.identity.watcher != watcher or _operation_of(row) in settled:
            continue
        with busy.hold(row.identity), busy.hold_project(row.identity, row.trigger, host.containers.get):
            operation = _newest(host, row)
            if operation is not None and inspect_optional(host.engine, operation.new_container_id) is not None:
                _try(host, operation)


def _try(host: Host, operation: Operation) -> None:
    try:
        keep_in_step(host, operation, host.containers.get(operation.identity))
    except (Stale, EngineUnavailable):
        raise
    except Exception as error:
        # One file must not keep the rest of the tidying from being done.
        log.warning("the compose file of %s: %s", operation.identity.name, error)


def _newest(host: Host, row: AuditEntry) -> Operation | None:
    """The operation the row is about, unless another has begun since."""
    newest = next(iter(host.operations.history(row.identity)), None)
    return newest if newest is not None and newest.id == _operation_of(row) else None


def _operation_of(row: AuditEntry) -> str:
    return row.id.partition(":")[0]
