"""Running triggers by hand."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.command import CommandKind
from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.errors import Conflict, Invalid, NotFound
from chalicelib.domain.fleet import Entry
from chalicelib.domain.operation import original_name
from chalicelib.domain.trigger import Trigger, of_agent
from chalicelib.ports.services import Services
from chalicelib.usecases.request_update import DOCKER_TYPES, request_update
from chalicelib.usecases.run_trigger import about_trigger
from handlers.containers import LIST_PATH, find
from handlers.hosts import accepted, command_location, ordering, result
from handlers.http import Request


def run_on_container(request: Request, services: Services) -> object:
    """Run the trigger the path names on the container it names; `{}` once it has run."""
    return _run(find(request, services), request, services)


def run_with_body(request: Request, services: Services) -> object:
    """Run the trigger the path names on the container whose object is the body."""
    body = request.payload if isinstance(request.payload, Mapping) else {}
    if "agent" not in request.path_params and body.get("agent"):
        raise Invalid("The container belongs to an agent: name it in the path, after the trigger.")
    entry = services.fleet.fleet().find(str(body.get("id", "")).strip())
    if entry is None:
        raise NotFound("No container has the `id` of the body.")
    return _run(entry, request, services)


def _run(entry: Entry, request: Request, services: Services) -> object:
    identity = entry.listing.identity
    kind, named = request.path_params["type"].lower(), request.path_params.get("agent", "")
    docker = kind in DOCKER_TYPES
    if docker and not named and identity.agent != LOCAL_AGENT:
        raise Invalid(f"{identity.name} belongs to agent {identity.agent}: name it in the path, after the trigger.")
    agent, trigger = _trigger(entry, kind, request.path_params["name"].lower(), named, services)
    if original_name(identity.name) is not None:
        raise Conflict(f"{identity.name} is the copy an update keeps for its undo.")
    orders = ordering(request, services)
    if docker:
        plain = f"{trigger.type}.{trigger.name}"
        command = orders.wait(request_update(entry, orders, services.operations, plain))
        location = f"{LIST_PATH}/{entry.listing.id}/update-operations/{command.id}"
    else:
        orders.require_connected(agent)
        asked = about_trigger(identity, f"{trigger.type}.{trigger.name}")
        command = orders.wait(orders.order(agent, CommandKind.RUN_TRIGGER, asked))
        location = command_location(command)
    if not command.ended:
        return accepted(command.id, location, "The trigger has been asked; it is still at work.")
    result(command)
    return {}


def _trigger(entry: Entry, kind: str, name: str, named: str, services: Services) -> tuple[str, Trigger]:
    """The trigger and whose it is: of the agent the path names, else of the container's own, else the local one's."""
    own = entry.listing.identity.agent
    wanted = [named] if named else list(dict.fromkeys((own, LOCAL_AGENT)))
    known = {agent.name: agent for agent in services.agents.all()}
    for agent in wanted:
        for trigger in of_agent(agent, known[agent].facts) if agent in known else ():
            usable = kind not in DOCKER_TYPES or agent == own
            if usable and (trigger.type.lower(), trigger.name.lower()) == (kind, name):
                return agent, trigger
    raise NotFound(f"No trigger {kind}.{name} serves this container.")
