"""Pick up an operation whose executor died: look at the host again and bring it to an end."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.recovery import Course, plan
from local_runtime.executor.host import Host, observe
from local_runtime.executor.undo import carry_out, end, undo
from local_runtime.executor.update import Broken, commit, prove, update

_REASON = "interrupted"
_CAUSE = "the executor stopped in the middle of it"


def recover(host: Host, operation: Operation) -> Operation:
    """The operation, ended. Raises EngineError while the engine cannot be asked, Stale when it is in other hands."""
    seen = observe(host.engine, operation)
    if operation.new_container_id is None and seen.new is not None:
        operation = replace(operation, new_container_id=seen.new.id)
    was_undoing = operation.phase is Phase.ROLLBACK_STARTED
    course = plan(operation, seen, failed=was_undoing)
    if course.course is Course.BEGIN_AGAIN:
        return update(host, operation)
    operation = replace(operation, recovered_at=host.clock.now())
    if course.course is Course.RESUME_GATE:
        try:
            return commit(host, prove(host, operation))
        except Broken as broken:
            current = host.operations.get(operation.identity, operation.id) or operation
            return undo(host, current, broken.code, str(broken))
    if course.end is Phase.ROLLED_BACK and not was_undoing:
        return undo(host, operation, _REASON, _CAUSE)
    carry_out(host, operation, seen, course)
    return end(host, operation, course, operation.reason_code or _REASON, operation.last_error or _CAUSE)
