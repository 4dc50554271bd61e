"""Running a compose service's `post_start` commands inside its new container, as compose does once it has started."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from chalicelib.domain.compose import NotEditable
from chalicelib.domain.errors import Failed
from chalicelib.domain.hook import masked, secrets_in
from chalicelib.domain.operation import Operation
from chalicelib.domain.post_start import Execution
from chalicelib.ports.engine import EngineConflict, EngineRejected, Executed, ExecutionLate
from local_runtime.executor.compose.step import commands_of, mounts_for, note, subject_of
from local_runtime.executor.host import Host

_ACTION = "compose-post-start"
_COMPLAINT = 300


def after_start(host: Host, operation: Operation, document: Mapping[str, Any]) -> None:
    """Run them one after the other in the container that has just been started, whose inspect document that is.

    One that fails means that the container is not ready: raises Failed. Those that cannot be read are told of and not
    run; whether that stops an update was decided before the container was touched.
    """
    found = subject_of(host, operation, document)
    if found is None:
        return
    service, options = found
    try:
        commands = commands_of(service, options, mounts_for(host, operation))
    except (NotEditable, OSError) as why:
        if options.reconciliation != "off":
            note(host, operation, "info", f"post_start was not run: {why}", _ACTION)
        return
    for number, one in enumerate(commands, 1):
        environment = [*((document.get("Config") or {}).get("Env") or ()), *one.environment]
        problem = _problem(host, str(document["Id"]), one, secrets_in(environment))
        if problem is not None:
            note(host, operation, "error", f"post_start {number} of {len(commands)}: {problem}", _ACTION)
            raise Failed(f"its post_start command {number} failed: {problem}")
    if commands:
        note(host, operation, "success", f"post_start: {len(commands)} run", _ACTION)


def _problem(host: Host, container: str, execution: Execution, secrets: Collection[str]) -> str | None:
    """Why it failed, if it did. A command gets as long as a health check does."""
    try:
        ended: Executed = host.engine.execute(container, execution, float(host.settings.health_gate_seconds))
    except (EngineConflict, EngineRejected, ExecutionLate) as error:
        return str(error)
    if ended.code == 0:
        return None
    said = masked(ended.output, secrets)
    return f"it ended with {ended.code}" + (f": {said[:_COMPLAINT]}" if said else "")
