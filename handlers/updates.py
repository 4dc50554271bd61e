"""Updating a container."""

from __future__ import annotations

from chalicelib.domain.errors import NotFound
from chalicelib.ports.services import Services
from chalicelib.usecases.cancel_operation import cancel_operation
from chalicelib.usecases.request_update import request_update
from handlers.containers import LIST_PATH, find, show
from handlers.hosts import accepted, ordering, result
from handlers.http import Request


def update_container(request: Request, services: Services) -> object:
    """Move a container to its candidate; the updated container once that has gone well."""
    entry = find(request, services)
    orders = ordering(request, services)
    command = orders.wait(request_update(entry, orders, services.operations))
    if not command.ended:
        location = f"{LIST_PATH}/{entry.listing.id}/update-operations/{command.id}"
        return accepted(command.id, location, "The update goes on.")
    result(command)
    updated = services.fleet.fleet().at(entry.listing.identity)
    if updated is None:
        raise NotFound("The container was updated, and has been removed since.")
    return show(updated, services)


def cancel(request: Request, services: Services) -> object:
    """End an operation: 200 when that is done, 202 when it ends before its next step."""
    operation = cancel_operation(
        request.path_params["id"], services.agents, services.commands, services.operations, services.clock
    )
    identity = operation.identity
    if operation.ended:
        return {"message": f"The operation on {identity.name} is cancelled.", "operationId": operation.id}
    location = f"{LIST_PATH}/{operation.container_id}/update-operations/{operation.id}"
    return accepted(operation.id, location, f"The operation on {identity.name} ends before its next step.")
