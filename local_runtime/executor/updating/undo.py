"""Make the host whole after an update that did not go through: look, plan, act, and look again."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from chalicelib.domain.operation import ROLLBACK, Operation, Phase
from chalicelib.domain.recovery import Observed, Plan, Step, plan
from chalicelib.domain.reference import Reference, is_image_id
from chalicelib.ports.engine import Engine, EngineError, EngineNotFound
from local_runtime.executor.aftercare.dependents import rejoin
from local_runtime.executor.host import Host, observe, restart_policy
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.updating.ledger import attempt, insist, record

_ROUNDS, _TROUBLES = 12, 4
"""How often a host is looked at and acted on, and how often in all of that something may go wrong."""
_PAUSE = 1.0
_STOP_SECONDS = 10


def undo(host: Host, operation: Operation, reason: str, cause: str) -> Operation:
    """Roll a failed operation back, or finish what can only go forward, and end it.

    Raises EngineUnavailable while the engine cannot be asked: the operation stays open and is taken up again.
    """
    fact = operation.at(Phase.ROLLBACK_STARTED, host.clock.now(), reason_code=reason, last_error=cause)
    operation = attempt(host, fact)
    with host.claim.service_down():
        course, seen = make_whole(host, operation)
        if operation.was_running and seen.old is not None:
            rejoin(host.engine, host.households, seen.old.id, operation.dependents)
    if operation.kind == ROLLBACK and seen.old is not None:
        give_name_back(host.engine, seen.old.id)
    if operation is fact:
        operation = insist(host, fact)
    if seen.old is not None:
        # Those that lived in a container which had to be made once more have nothing left to join: they are made anew.
        waiting = () if seen.old.id == operation.container_id else operation.dependents
        operation = replace(operation, container_id=seen.old.id, dependents=waiting)
    return end(host, operation, course)


def make_whole(host: Host, operation: Operation) -> tuple[Plan, Observed]:
    """Carry out plans until nothing is left to do; the last plan, and what stands now.

    Raises EngineError while the host cannot be looked at, EngineUnavailable while the engine does not answer. What it
    keeps refusing to do ends the plan as a rollback that failed.
    """
    acted, trouble, blind, troubles = False, None, None, 0
    for _ in range(_ROUNDS):
        if trouble is not None:
            troubles += 1
            if troubles > _TROUBLES:
                break
            host.clock.sleep(_PAUSE)
        try:
            seen = observe(host, operation)
        except EngineError as error:
            blind = trouble = error
            continue
        blind = None
        course = plan(operation, seen, failed=True)
        if not course.steps:
            undone = acted and course.end is Phase.FAILED
            return (replace(course, end=Phase.ROLLED_BACK) if undone else course), seen
        acted = True
        trouble = carry_out(host, operation, seen, course)
    if blind is not None:
        raise blind
    if trouble is not None and trouble.transient:
        raise trouble
    problem = f"the rollback failed: {trouble or 'the host keeps changing'}"
    return replace(course, end=Phase.ROLLBACK_FAILED, problem=problem), seen


def carry_out(host: Host, operation: Operation, seen: Observed, course: Plan) -> EngineError | None:
    """The steps of a plan, in order; the first trouble, as later steps are tried all the same.

    Only the old container is not started while the new one may still run, nor removed when the new one does not.
    """
    trouble: EngineError | None = None
    failed: set[Step] = set()
    for step in course.steps:
        if step is Step.START_OLD and failed >= {Step.STOP_NEW, Step.REMOVE_NEW}:
            continue
        if step is Step.REMOVE_OLD and Step.START_NEW in failed:
            continue
        try:
            _act(host, operation, seen, step)
        except EngineError as error:
            failed.add(step)
            trouble = trouble or error
    return trouble


def end(host: Host, operation: Operation, course: Plan) -> Operation:
    """Record how it ended."""
    if course.end is Phase.SUCCEEDED:
        return record(host, operation, course.end, last_error=None, reason_code=None)
    told = [operation.last_error, course.problem]
    return record(host, operation, course.end, last_error="; ".join(one for one in told if one))


def _act(host: Host, operation: Operation, seen: Observed, step: Step) -> None:
    engine, old, new = host.engine, seen.old, seen.new
    if step is Step.RECREATE_OLD:
        _recreate(host, operation)
    if new is not None:
        if step is Step.STOP_NEW:
            engine.stop(new.id, timeout=_STOP_SECONDS)
        elif step is Step.REMOVE_NEW:
            engine.remove(new.id, force=True)
        elif step is Step.START_NEW:
            engine.start(new.id)
    if old is not None:
        if step is Step.RESTORE_RESTART:
            engine.set_restart(old.id, restart_policy(operation.old_restart))
        elif step is Step.RESTORE_NAME:
            if old.id != operation.container_id:
                # By its temporary name it was known; from now on only by this.
                host.blueprints.note_made(operation.id, old.id)
            engine.rename(old.id, operation.identity.name)
        elif step is Step.START_OLD:
            engine.start(old.id)
        elif step is Step.REMOVE_OLD:
            engine.remove(old.id, force=True)


def _recreate(host: Host, operation: Operation) -> None:
    """Make the old container again under its temporary name, from what was kept of it."""
    kept = host.blueprints.find(operation.id)
    if kept is None:
        return
    image_id, replica = kept
    give_name(host.engine, image_id, replica.body["Image"])
    made = host.engine.create(replica.name, replica.body)
    host.blueprints.note_made(operation.id, made)
    for network, endpoint in replica.connect:
        host.engine.connect(network, made, endpoint)


def give_name_back(engine: Engine, container: str, taken_for: str | None = None) -> None:
    """The container that stays goes by a name that leads to its own image, as before a rollback took it.

    With `taken_for`, an image id, only if the name leads to that one: whatever else moved it was not the rollback.
    """
    document = inspect_optional(engine, container)
    if document is None:
        return
    name, image_id = str(document["Config"]["Image"]), str(document["Image"])
    with suppress(EngineNotFound):
        leads_to = engine.image(name)["Id"]
        if leads_to != image_id and taken_for in (None, leads_to):
            give_name(engine, image_id, name)


def give_name(engine: Engine, image_id: str, reference: str) -> None:
    """Its tag may have moved on; it comes back, so that a container is made from the image it is to run."""
    if is_image_id(reference) or Reference.parse(reference).digest is not None:
        return
    engine.tag(image_id, reference)
