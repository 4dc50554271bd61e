"""Pick up an operation whose executor died: look at the host again and bring it to an end."""

from __future__ import annotations

from dataclasses import replace

from chalicelib.domain.operation import RECREATION, ROLLBACK, Operation, Phase
from chalicelib.domain.recovery import Course, Step, plan
from local_runtime.executor.host import Host, observe
from local_runtime.executor.updating.ledger import record
from local_runtime.executor.updating.undo import carry_out, end, give_name_back, make_whole, undo
from local_runtime.executor.updating.update import Broken, Story, update

INTERRUPTED = "interrupted"
_CAUSE = "the executor stopped in the middle of it"


def recover(host: Host, operation: Operation, *, forgotten: bool) -> Operation:
    """The operation, ended. Raises EngineUnavailable while the engine cannot be asked, Stale when in other hands.

    A `forgotten` one is brought to its end, but not begun again.
    """
    # A write before any act: whoever still believes to be at work on it loses with the next fact.
    operation = record(host, operation, operation.phase, recovered_at=host.clock.now())
    if operation.phase is Phase.ROLLBACK_STARTED:
        return undo(host, operation, operation.reason_code or INTERRUPTED, operation.last_error or _CAUSE)
    seen = observe(host, operation)
    if operation.new_container_id is None and seen.new is not None:
        operation = replace(operation, new_container_id=seen.new.id)
    course = plan(operation, seen, failed=False)
    if course.course is Course.BEGIN_AGAIN:
        if forgotten:
            if operation.kind == ROLLBACK and operation.new_image_id is not None:
                give_name_back(host.engine, operation.container_id, operation.new_image_id)
            return record(host, operation, Phase.FAILED, reason_code=INTERRUPTED, last_error=_CAUSE)
        return update(host, replace(operation, recovered_at=None))
    if course.course is Course.RESUME_GATE:
        story = Story(host, operation)
        try:
            story.prove()
            return story.commit()
        except Broken as broken:
            return undo(host, story.operation, broken.code, str(broken))
    if course.end is not Phase.SUCCEEDED:
        return _make_anew(host, operation) or undo(host, operation, INTERRUPTED, _CAUSE)
    with host.claim.service_down():
        trouble = carry_out(host, operation, seen, course)
    if trouble is not None and trouble.transient:
        raise trouble
    if trouble is not None and Step.START_NEW in course.steps:
        return undo(host, replace(operation, committed=False), "start_new_failed", str(trouble))
    return end(host, operation, course)


def _make_anew(host: Host, operation: Operation) -> Operation | None:
    """A copy that is made because its container lost its namespace knows no way back: it is begun again instead.

    None for any other operation, and when the host does not allow it.
    """
    if operation.kind != RECREATION or operation.committed:
        return None
    with host.claim.service_down():
        _, seen = make_whole(host, operation)
    if seen.old is None or seen.old.name != operation.identity.name or seen.new is not None:
        return None
    return update(host, replace(operation, recovered_at=None, temp_name=None, new_container_id=None, new_image_id=None))
