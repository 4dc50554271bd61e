"""The triggers that serve a container."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.fleet import Entry
from chalicelib.domain.routing import served
from chalicelib.domain.trigger import Trigger, of_agent
from chalicelib.ports.services import Services
from chalicelib.wire import trigger as wire
from handlers.containers import find
from handlers.http import Request


def list_container_triggers(request: Request, services: Services) -> object:
    """Those its labels leave, with their settings but without their secrets."""
    found = _serving(find(request, services), services)
    return {"data": [wire.write(trigger) for trigger in found], "total": len(found)}


def list_bare(request: Request, services: Services) -> object:
    """The same in a bare array, as WUD's clients read it."""
    return [wire.write(trigger) for trigger in _serving(find(request, services), services)]


def _serving(entry: Entry, services: Services) -> Sequence[Trigger]:
    name = entry.listing.identity.agent
    agent = next((one for one in services.agents.all() if one.name == name), None)
    triggers = of_agent(name, agent.facts) if agent is not None else []
    return sorted(served(triggers, entry.listing.routing()), key=lambda trigger: (trigger.type, trigger.name))
