"""Make the host whole after an update that did not go through: look, plan, act; every act may be repeated."""

from __future__ import annotations

from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.recovery import Course, Observed, Plan, Step, plan
from chalicelib.ports.engine import EngineError
from local_runtime.executor.host import Host, observe


def undo(host: Host, operation: Operation, reason: str, cause: str) -> Operation:
    """End a failed operation: roll it back, or finish what can only go forward."""
    operation = host.operations.record(
        operation.at(Phase.ROLLBACK_STARTED, host.clock.now(), reason_code=reason, last_error=cause)
    )
    try:
        seen = observe(host.engine, operation)
        course = plan(operation, seen, failed=True)
        carry_out(host, operation, seen, course)
    except EngineError as error:
        problem = f"{cause}; then the rollback failed: {error}"
        return host.operations.record(
            operation.at(Phase.ROLLBACK_FAILED, host.clock.now(), reason_code=reason, last_error=problem)
        )
    return end(host, operation, course, reason, cause)


def carry_out(host: Host, operation: Operation, seen: Observed, course: Plan) -> None:
    """The steps of a plan, in order. Raises EngineError."""
    engine = host.engine
    for step in course.steps:
        if step is Step.REMOVE_NEW and seen.new is not None:
            engine.stop(seen.new.id)
            engine.remove(seen.new.id, force=True)
        elif step is Step.RESTORE_NAME:
            engine.rename(operation.container_id, operation.identity.name)
        elif step is Step.START_OLD:
            engine.start(operation.container_id)
        elif step is Step.START_NEW and seen.new is not None:
            engine.start(seen.new.id)
        elif step is Step.REMOVE_OLD:
            engine.remove(operation.container_id, force=True)


def end(host: Host, operation: Operation, course: Plan, reason: str, cause: str) -> Operation:
    """Record how it ended."""
    if course.course is not Course.END:
        raise AssertionError("only a plan that ends can be recorded as an end")
    problem = f"{cause}; {course.problem}" if course.problem else cause
    facts: dict[str, object] = {"last_error": problem, "reason_code": reason}
    if course.end is Phase.SUCCEEDED:
        facts = {"last_error": None, "reason_code": None}
    return host.operations.record(operation.at(course.end, host.clock.now(), **facts))
