"""Remembered images: what a container can be put back to."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.backup import Backup
from chalicelib.ports.services import Services
from chalicelib.wire import backup as wire
from chalicelib.wire import query as query_wire
from handlers.containers import find
from handlers.http import Request


def list_backups(request: Request, services: Services) -> object:
    """Those of all containers, or of the containers with that name; newest first."""
    name = (query_wire.first(request.query, "containerName") or "").strip()
    found = [backup for agent in services.agents.all() for backup in services.backups.of_agent(agent.name)]
    chosen = [backup for backup in found if not name or backup.identity.name == name]
    return _shown(sorted(chosen, key=lambda backup: backup.at, reverse=True))


def list_container_backups(request: Request, services: Services) -> object:
    """Those of one container, whatever its ids have been; newest first."""
    return _shown(services.backups.of(find(request, services).listing.identity))


def _shown(backups: Sequence[Backup]) -> object:
    return {"data": [wire.write(backup) for backup in backups], "total": len(backups)}
