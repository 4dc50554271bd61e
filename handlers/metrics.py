"""`/metrics`, for Prometheus."""

from __future__ import annotations

import hmac
from collections.abc import Iterable

from chalicelib.domain import component as rules
from chalicelib.domain.errors import Unauthenticated
from chalicelib.ports.services import Services
from chalicelib.usecases.tally_audit import ACTIONS
from chalicelib.wire import container as container_wire
from chalicelib.wire import metrics as wire
from handlers import guards
from handlers.http import Request, Response

_AUDIT = "Rows of the audit log since this process started, by action"
_ACTIONS = "What was done to containers since this process started, by action"
_TRIGGERS = "Runs of triggers since this process started, by how they ended"


def metrics(request: Request, services: Services) -> Response:
    """Everything there is to count."""
    _admit(request, services)
    now, fleet = services.clock.now(), services.fleet.fleet()
    by_action, by_trigger = services.tally.totals()
    actions = [({"action": action}, count) for (action,), count in sorted(by_action.items())]
    text = wire.text(
        containers=[container_wire.present(entry, entry.standing(now)) for entry in fleet.entries],
        watchers=_labels(rules.watchers(services.agents.all(), fleet)),
        counters=(
            ("dd_audit_entries_total", _AUDIT, actions),
            ("dd_container_actions_total", _ACTIONS, [one for one in actions if one[0]["action"] in ACTIONS]),
            (
                "dd_trigger_count",
                _TRIGGERS,
                [
                    ({"type": kind, "name": name, "status": status}, count)
                    for (kind, name, status), count in sorted(by_trigger.items())
                ],
            ),
        ),
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
