"""Checking containers for newer images by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.command import Command, CommandKind, about_each
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Failed, NotFound
from chalicelib.ports.services import Services
from chalicelib.usecases.order import Ordering
from chalicelib.wire import command as command_wire
from chalicelib.wire import query as query_wire
from handlers.containers import find, list_bare, page, show
from handlers.hosts import accepted, command_location, ordering, result
from handlers.http import Request, Response


def watch_all(request: Request, services: Services) -> object:
    """Check every container, or those of the body, and answer the list."""
    query = query_wire.containers(request.query)
    orders = ordering(request, services)
    wanted = _wanted(request.payload, services)
    commands = _order_all(orders) if wanted is None else _order_each(orders, wanted)
    return _still_running(orders, commands) or page(request, services, query)


def watch_all_bare(request: Request, services: Services) -> object:
    """Check every container, and answer the bare array."""
    orders = ordering(request, services)
    return _still_running(orders, _order_all(orders)) or list_bare(request, services)


def watch_container(request: Request, services: Services) -> object:
    """Check one container. Trouble with its registry is no error: the container says so itself."""
    entry = find(request, services)
    orders = ordering(request, services)
    (command,) = _order_each(orders, [entry.listing.identity])
    command = orders.wait(command)
    if not command.ended:
        return accepted(command.id, command_location(command), "The container is still being checked.")
    result(command)
    current = services.fleet.fleet().at(entry.listing.identity)
    if current is None:
        raise NotFound("The container is gone from its host.")
    return show(current, services)


def get_command(request: Request, services: Services) -> object:
    """How far an order has come."""
    command = services.commands.get(request.path_params["agent"], request.path_params["commandId"])
    if command is None:
        raise NotFound("No such command is known; ended ones are forgotten after an hour.")
    return command_wire.write(command)


def _still_running(orders: Ordering, commands: Sequence[Command]) -> Response | None:
    """Nothing once all have ended well, else a 202 with the first that has not. Raises what one failed with."""
    ended = orders.wait_all(commands)
    for command in ended:
        result(command)
    running = next((command for command in ended if not command.ended), None)
    if running is None:
        return None
    return accepted(running.id, command_location(running), "The containers are still being checked.")


def _wanted(payload: object, services: Services) -> list[Identity] | None:
    """The containers the body names; None for all. Raises NotFound when one of them is unknown."""
    ids: Sequence[str] | None = payload.get("containerIds") if isinstance(payload, Mapping) else None
    if ids is None:
        return None
    fleet = services.fleet.fleet()
    found = {}
    for container_id in ids:
        entry = fleet.find(container_id.strip())
        if entry is None:
            raise NotFound(f"No container has the id {container_id.strip()}; nothing was checked.")
        found[entry.listing.identity] = entry
    return list(found)


def _order_all(orders: Ordering) -> list[Command]:
    agents = orders.connected()
    if not agents:
        raise Failed("No agent is connected. Start an executor, then try again.")
    return [orders.order(agent.name, CommandKind.WATCH, {}) for agent in agents]


def _order_each(orders: Ordering, wanted: Sequence[Identity]) -> list[Command]:
    commands = []
    agents = sorted({identity.agent for identity in wanted})
    for agent in agents:
        orders.require_connected(agent)
    for agent in agents:
        arguments: dict[str, Any] = about_each([identity for identity in wanted if identity.agent == agent])
        commands.append(orders.order(agent, CommandKind.WATCH, arguments))
    return commands
