"""`/metrics`, for Prometheus."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from chalicelib.domain import component as rules
from chalicelib.domain.errors import Unauthenticated
from chalicelib.ports.services import Services
from chalicelib.wire import container as container_wire
from chalicelib.wire import metrics as wire
from chalicelib.wire import series
from handlers import guards
from handlers.http import Request, Response


def metrics(request: Request, services: Services) -> Response:
    """Everything there is to count."""
    _admit(request, services)
    now, fleet, agents = services.clock.now(), services.fleet.fleet(), services.agents.all()
    text = wire.text(
        containers=[container_wire.present(entry, entry.standing(now)) for entry in fleet.entries],
        watchers=_labels(rules.watchers(agents, fleet)),
        responses=rules.responses(agents),
        counters=series.counters(services.tally.totals()),
    )
    return Response(body=text, media_type=wire.CONTENT_TYPE)


def _admit(request: Request, services: Services) -> None:
    """A scraper shows the token of the settings where there is one, else it logs in like everybody."""
    settings = services.settings
    if settings.metrics_token is not None:
        scheme, _, shown = request.headers.get("authorization", "").strip().partition(" ")
        expected = settings.metrics_token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(shown.strip().encode(), expected):
            raise Unauthenticated("Send the token of DD_SERVER_METRICS_TOKEN: Authorization: Bearer …")
    elif settings.metrics_auth:
        caller = guards.authenticated(request, services)
        guards.require(caller, "read")


def _labels(components: Iterable[rules.Component]) -> list[dict[str, str]]:
    return [{"type": one.type, "name": one.name, **({"agent": one.agent} if one.agent else {})} for one in components]
