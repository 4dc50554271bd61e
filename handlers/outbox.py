"""Notices that wait for their delivery, or were given up."""

from __future__ import annotations

from chalicelib.domain.errors import Conflict, Invalid, NotFound
from chalicelib.domain.notice import Notice, NoticeState
from chalicelib.ports.services import Services
from chalicelib.wire import notice as wire
from chalicelib.wire.page import envelope
from chalicelib.wire.query import paging
from handlers.http import Request, Response

OUTBOX_PATH = "/api/v1/notifications/outbox"


def list_outbox(request: Request, services: Services) -> object:
    """Notices that wait for their delivery, or were given up; oldest first."""
    wanted = next(iter(request.query.get("status", ())), "")
    if wanted not in ("", NoticeState.WAITING, NoticeState.DEAD):
        raise Invalid("`status` must be one of: waiting, dead.")
    found = [one for agent in services.agents.all() for one in services.outbox.open(agent.name)]
    chosen = [one for one in found if wanted in ("", one.state)]
    limit, offset = paging(request.query)
    page = chosen[offset : offset + limit if limit else None]
    return envelope(
        [wire.write(one) for one in page],
        total=len(chosen),
        limit=limit,
        offset=offset,
        path=OUTBOX_PATH,
        query=request.query,
    )


def retry_notice(request: Request, services: Services) -> object:
    """Let a notice that was given up wait for its delivery again."""
    revived = _dead(request, services).again(services.clock.now())
    if not services.outbox.revive(revived):
        raise Conflict("This notice is on its way already.")
    return wire.write(revived)


def drop_notice(request: Request, services: Services) -> Response:
    """Forget a notice that was given up."""
    found = _dead(request, services)
    services.outbox.remove(found.agent, found.key)
    return Response(204, media_type=None)


def _dead(request: Request, services: Services) -> Notice:
    key = request.path_params["noticeId"]
    found = [one for agent in services.agents.all() if (one := services.outbox.get(agent.name, key)) is not None]
    if not found:
        raise NotFound("No notice has this id.")
    if found[0].state is not NoticeState.DEAD:
        raise Conflict(f"This notice was not given up: it is {found[0].state.value}.")
    return found[0]
