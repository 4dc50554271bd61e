"""Dispatch: from a request to its response. Find the row, run the guards, call the handler, say what went wrong."""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import cache
from urllib.parse import unquote

from chalicelib.domain import errors
from chalicelib.ports.services import Services
from chalicelib.wire import json
from handlers import body, browser, guards
from handlers.finish import finish
from handlers.http import Headers, Refused, Request, Response
from handlers.paths import Match, Paths
from handlers.route import Route

AUTH_REQUESTS = 100
LOG = logging.getLogger("slipway.http")

_STATUS: tuple[tuple[type[errors.SlipwayError], int], ...] = (
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Stale, 409),
    (errors.Locked, 423),
    (errors.Unconfirmed, 428),
    (errors.TooMany, 429),
    (errors.Failed, 500),
    (errors.Unavailable, 503),
)
_CHALLENGE = ("WWW-Authenticate", 'Basic realm="slipway", charset="UTF-8"')


def dispatch(request: Request, services: Services, paths: Paths | None = None) -> Response:
    """Answer a request, always: whatever goes wrong becomes a status and a body `{error}`."""
    match = (paths or table()).match(request.path)
    route = match.route(request.method) if match else None
    told: dict[str, str] = {}
    try:
        response = _answer(request, services, match, route, told)
    except Exception as error:
        response = _failure(error, request)
    own = {name for name, _ in response.headers}
    headers = (*response.headers, *((name, value) for name, value in told.items() if name not in own))
    return finish(replace(response, headers=headers), request, services.settings, route)


@cache
def table() -> Paths:
    """The tree of the one route table."""
    from handlers.routes import ROUTES

    return Paths(ROUTES)


def _answer(
    request: Request, services: Services, match: Match | None, route: Route | None, told: dict[str, str]
) -> Response:
    """Put into `told` what limits have to say, whatever comes of the request; a route's own speaks for itself."""
    if match is not None and request.method == "OPTIONS":
        return _options(request, services, match)
    told.update(_count(request, services, route))
    if match is None:
        raise errors.NotFound("Nothing answers under this path.")
    if route is None:
        raise Refused(405, f"{request.method} is not possible here.", (("Allow", match.allow),))
    request = replace(request, path_params=match.parameters(route), payload=body.read(request, _body_limit(request)))
    if not route.public:
        request = replace(request, caller=guards.authenticated(request, services))
        browser.same_origin(request, services)
        guards.allowed(request, route.needs)
    for guard in route.guards:
        told.update(guard(request, services))
    body.check(request.payload, route)
    return _response(route.handler(request, services))


def _options(request: Request, services: Services, match: Match) -> Response:
    allow = (("Allow", match.allow),)
    return Response(204, headers=(*allow, *browser.preflight(request, services.settings)), media_type=None)


def _count(request: Request, services: Services, route: Route | None) -> Headers:
    # A dashboard asks at every step who is looking: that must not use up what there is for logging in.
    if _below(request, "/api/") or (route is not None and not route.public):
        limit = guards.RateLimit("api", services.settings.rate_limit_max, guards.QUARTER_HOUR)
    elif _below(request, "/auth/"):
        limit = guards.RateLimit("auth", AUTH_REQUESTS, guards.QUARTER_HOUR)
    else:
        return ()
    return limit(request, services)


def _body_limit(request: Request) -> int:
    return body.AUTH_LIMIT if _below(request, "/auth/") else body.API_LIMIT


def _below(request: Request, area: str) -> bool:
    """Whether the path leads there as rows are found: `/%61pi/` is `/api/`, and counts as such."""
    return unquote(request.path).startswith(area)


def _response(answer: object) -> Response:
    return answer if isinstance(answer, Response) else Response(body=json.dumps(answer))


def failure(error: Exception, request: Request, services: Services) -> Response:
    """The answer to a request that was refused before there was a route to it, such as an upgrade."""
    return finish(_failure(error, request), request, services.settings, None)


def _failure(error: Exception, request: Request) -> Response:
    if isinstance(error, Refused):
        return _error(error.status, str(error), headers=error.headers)
    if not isinstance(error, errors.SlipwayError):
        LOG.exception("%s %s failed", request.method, request.path, extra={"request_id": request.id})
        return _error(500, "Something went wrong inside Slipway. The log tells more, under the X-Request-Id.")
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    headers: Headers = ()
    if isinstance(error, errors.Unauthenticated) and request.headers.get("sec-fetch-dest") != "empty":
        # A browser would put its own dialog over a page whose script asked; everybody else learns how to log in.
        headers = (_CHALLENGE,)
    if isinstance(error, errors.TooMany | errors.Locked):
        headers = (*getattr(error, "headers", ()), ("Retry-After", str(error.retry_after)))
    return _error(status, str(error), operation_id=getattr(error, "operation_id", None), headers=headers)


def _error(status: int, message: str, *, operation_id: str | None = None, headers: Headers = ()) -> Response:
    content = {"error": message}
    if operation_id:
        content["operationId"] = operation_id
    return Response(status, json.dumps(content), headers)
