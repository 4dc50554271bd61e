"""What was done, and what became of it."""

from __future__ import annotations

from chalicelib.domain.audit import SERVER
from chalicelib.domain.recent import WINDOW, recent_statuses
from chalicelib.ports.services import Services
from chalicelib.wire import audit as wire
from chalicelib.wire import query as query_wire
from chalicelib.wire.page import envelope
from handlers.http import Request

AUDIT_PATH = "/api/v1/audit"


def list_audit(request: Request, services: Services) -> object:
    """One page of the audit log, newest first."""
    asked, limit, offset = query_wire.audit(request.query)
    since, until = asked.period(services.clock.now())
    found = []
    if not asked.never and since <= until:
        rows = services.audit.between(_partitions(services), since, until)
        found = [entry for entry in rows if asked.matches(entry)]
    return envelope(
        [wire.write(entry) for entry in found[offset : offset + limit]],
        total=len(found),
        limit=limit,
        offset=offset,
        path=AUDIT_PATH,
        query=request.query,
    )


def recent_status(_request: Request, services: Services) -> object:
    """How the latest update of each container went, by its name."""
    return wire.write_statuses(recent_statuses(services.audit.newest(_partitions(services), WINDOW)))


def _partitions(services: Services) -> list[str]:
    return [*(agent.name for agent in services.agents.all()), SERVER]
