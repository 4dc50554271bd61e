"""Asking a host to do something: wait for it as long as the client does, else say where to look."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from chalicelib.domain import errors
from chalicelib.domain.command import Command, CommandKind, CommandState, about
from chalicelib.domain.fleet import Entry
from chalicelib.ports.services import Services
from chalicelib.usecases.order import Ordering
from chalicelib.wire import json
from handlers.http import Request, Response

_KINDS: dict[str, type[errors.SlipwayError]] = {
    "NotFound": errors.NotFound,
    "Invalid": errors.Invalid,
    "Conflict": errors.Conflict,
}


def ordering(request: Request, services: Services) -> Ordering:
    """Patient, unless the client prefers its answer at once (`Prefer: respond-async`, RFC 7240)."""
    wishes = request.headers.get("prefer", "").lower().split(",")
    asynchronous = any(wish.split(";")[0].strip() == "respond-async" for wish in wishes)
    patience = timedelta(seconds=0 if asynchronous else services.settings.command_wait_seconds)
    return Ordering(services.agents, services.commands, services.queue, services.clock, patience)


def result(command: Command) -> Command:
    """The command, done. Raises what it failed with; Failed for whatever has no status of its own."""
    if command.state is not CommandState.FAILED:
        return command
    message = str(command.result.get("error", "It failed."))
    kind = _KINDS.get(str(command.result.get("error_kind")))
    operation_id = command.id if command.kind is CommandKind.UPDATE else None
    if kind is errors.Conflict:
        raise errors.Conflict(message, operation_id)
    if kind is not None:
        raise kind(message)
    raise errors.Failed(message, operation_id)


def accepted(operation_id: str, location: str, message: str) -> Response:
    """202: it goes on, and can be followed there."""
    body = json.dumps({"message": message, "operationId": operation_id})
    return Response(202, body, (("Location", location),))


def command_location(command: Command) -> str:
    """Where a command can be followed."""
    return f"/api/v1/commands/{command.agent}/{command.id}"


def on_container(
    request: Request, services: Services, entry: Entry, kind: CommandKind, answer: Callable[[], object]
) -> object:
    """Order something about one container; `answer` is what to say once it is done."""
    orders = ordering(request, services)
    identity = entry.listing.identity
    orders.require_connected(identity.agent)
    command = orders.wait(orders.order(identity.agent, kind, about(identity, entry.listing.id)))
    if not command.ended:
        return accepted(command.id, command_location(command), "The host has been asked; it is still at work.")
    result(command)
    return answer()
