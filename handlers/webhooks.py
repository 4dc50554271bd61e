"""Being told from outside: registries of pushes, scripts to check or to update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

from chalicelib.domain.command import Command
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.webhook import read_push
from chalicelib.ports.services import Services
from chalicelib.usecases import hear_webhook as hear
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import request_update
from chalicelib.wire import json
from chalicelib.wire.webhook import lookup_image
from handlers.containers import LIST_PATH
from handlers.hosts import accepted, command_location, ordering, result
from handlers.http import Request, Response


def registry_pushed(request: Request, services: Services) -> Response:
    """Check the containers of an image that was pushed; the registry does not wait for it.

    Who sends the same news again, or old news, starts nothing.
    """
    push = read_push(request.payload)
    old = push.old(services.clock.now())
    found = [] if old else hear.concerned(services.fleet.fleet(), push, lookup_image)
    orders = Ordering(services.agents, services.commands, services.queue, services.clock, timedelta(0))
    commands = hear.order_checks(orders, found, hear.news_id(push, request.body))
    checking = "The containers of this image are being checked." if commands else "No container is concerned."
    body = {
        "message": "This was told too long ago to be news." if old else checking,
        "provider": push.provider,
        "images": [image.familiar for image in push.images],
        "containers": len(found),
    }
    return Response(202, json.dumps(body))


def watch_all(request: Request, services: Services) -> object:
    """Check every container."""
    orders = ordering(request, services)
    return _watched(services, orders, "webhook-watch", [hear.ALL], lambda: hear.order_check_of_all(orders))


def watch_named(request: Request, services: Services) -> object:
    """Check the containers of that name."""
    entries = hear.named(services.fleet.fleet(), request.path_params["containerName"])
    wanted = [entry.listing.identity for entry in entries]
    orders = ordering(request, services)
    for identity in wanted:
        orders.require_connected(identity.agent)
    return _watched(services, orders, "webhook-watch-container", wanted, lambda: hear.order_checks(orders, wanted))


def update_named(request: Request, services: Services) -> object:
    """Move the container of that name to its candidate."""
    entry = hear.the_one_named(services.fleet.fleet(), request.path_params["containerName"])
    identity = entry.listing.identity
    orders = ordering(request, services)
    try:
        command = result(orders.wait(request_update(entry, orders, services.operations)))
    except SlipwayError as error:
        hear.note(services.audit, services.clock, "webhook-update", [identity], str(error))
        raise
    hear.note(services.audit, services.clock, "webhook-update", [identity])
    if not command.ended:
        location = f"{LIST_PATH}/{entry.listing.id}/update-operations/{command.id}"
        return accepted(command.id, location, "The update goes on.")
    return {"message": f"{identity.name} has been updated.", "result": {"operationId": command.id}}


def _watched(
    services: Services, orders: Ordering, action: str, subjects: Sequence[Identity], order: Callable[[], list[Command]]
) -> object:
    """Order checks, wait for them, and say how many containers were checked."""
    try:
        ended = [result(command) for command in orders.wait_all(order())]
    except SlipwayError as error:
        hear.note(services.audit, services.clock, action, subjects, str(error))
        raise
    hear.note(services.audit, services.clock, action, subjects)
    running = next((command for command in ended if not command.ended), None)
    if running is not None:
        return accepted(running.id, command_location(running), "The containers are still being checked.")
    checked = sum(int(command.result.get("checked", 0)) for command in ended)
    return {"message": "The containers have been checked.", "result": {"checked": checked}}
