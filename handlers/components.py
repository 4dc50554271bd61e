"""What Slipway is made of: watchers, registries, ways to log in, agents; and the same under WUD's paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chalicelib.domain import component as rules
from chalicelib.domain import query as words
from chalicelib.domain.component import Component
from chalicelib.domain.errors import NotFound
from chalicelib.ports.services import Services
from chalicelib.wire import component as wire
from chalicelib.wire import query as query_wire
from chalicelib.wire.page import envelope
from handlers import auth
from handlers.http import Request
from handlers.route import Handler

Find = Callable[[Any], Sequence[Component]]


def watchers(services: Services) -> Sequence[Component]:
    """Every watched engine."""
    return rules.watchers(services.agents.all(), services.fleet.fleet())


def registries(services: Services) -> Sequence[Component]:
    """Every registry."""
    return rules.registries(services.agents.all())


def triggers(services: Services) -> Sequence[Component]:
    """Every trigger."""
    return rules.triggers(services.agents.all())


def authentications(services: Services) -> Sequence[Component]:
    """Every way to log in."""
    return rules.ordered(Component(str(one["type"]), str(one["name"])) for one in auth.providers(services))


def lister(find: Find, path: str) -> Handler:
    """A handler that answers one page of these components."""

    def list_components(request: Request, services: Services) -> object:
        found = find(services)
        limit = query_wire.number(request.query, "limit", 0, words.MAX_LIMIT)
        offset = query_wire.number(request.query, "offset", 0, None)
        chosen = found[offset : offset + limit] if limit else found[offset:]
        data = [wire.write(one) for one in chosen]
        return envelope(data, total=len(found), limit=limit, offset=offset, path=path, query=request.query)

    return list_components


def bare_lister(find: Find) -> Handler:
    """A handler that answers all of them in a bare array, as WUD's clients read it."""

    def list_bare(_request: Request, services: Services) -> object:
        return [wire.write(one) for one in find(services)]

    return list_bare


def getter(find: Find) -> Handler:
    """A handler that answers one of them, by type, name and, unless it is the local one's, agent."""

    def get_component(request: Request, services: Services) -> object:
        wanted = (request.path_params["type"], request.path_params["name"], request.path_params.get("agent"))
        for one in find(services):
            if (one.type, one.name, one.agent) == wanted:
                return wire.write(one)
        raise NotFound("There is no such component.")

    return get_component


def list_agents(_request: Request, services: Services) -> object:
    """Every executor that ever reported, connected or not."""
    now, fleet = services.clock.now(), services.fleet.fleet()
    agents = services.agents.all()
    data = [wire.write_agent(agent, rules.counts(fleet, agent.name), now) for agent in agents]
    return {"data": data, "total": len(data)}
