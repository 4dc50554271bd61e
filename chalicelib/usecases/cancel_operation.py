"""End an operation because somebody asks for it: at once while it waits, else before its next step."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.domain.command import subject
from chalicelib.domain.errors import Conflict, NotFound, Stale, Unavailable
from chalicelib.domain.operation import CANCELLED, WAS_CANCELLED, Operation, Phase
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AgentStore, CommandStore, OperationStore

_ATTEMPTS = 10


def cancel_operation(
    operation_id: str, agents: AgentStore, commands: CommandStore, operations: OperationStore, clock: Clock
) -> Operation:
    """The operation: ended, or still under way and asked to end.

    Every write is conditional on what was read, so an executor at work on it keeps it, and never commits what was
    ended. Raises NotFound, and Conflict when it has ended or its new container is taking over already.
    """
    for _ in range(_ATTEMPTS):
        operation = _find(operation_id, agents, commands, operations)
        if operation is None:
            raise NotFound(f"No operation {operation_id} is under way, nor has one ended within the last hour.")
        if operation.ended:
            raise Conflict(f"The operation has ended already: {operation.status}.", operation.id)
        if not operation.cancellable:
            raise Conflict("It is too late to cancel it: the container is being switched over.", operation.id)
        with suppress(Stale):
            if operation.phase is Phase.QUEUED:
                ended = operation.at(Phase.FAILED, clock.now(), reason_code=CANCELLED, last_error=WAS_CANCELLED)
                return operations.record(ended)
            operations.ask_for_end(operation)
            return operation
    raise Unavailable(f"operation {operation_id} is being written by too many at once")


def _find(
    operation_id: str, agents: AgentStore, commands: CommandStore, operations: OperationStore
) -> Operation | None:
    """An open operation, or one whose command is still known."""
    names = [agent.name for agent in agents.all()]
    for name in names:
        for operation in operations.open_of(name):
            if operation.id == operation_id:
                return operation
    for name in names:
        command = commands.get(name, operation_id)
        if command is not None and "operation_id" in command.arguments:
            return operations.get(subject(command)[0], operation_id)
    return None
