"""Remembered images: what a container can be put back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.domain.backup import Backup
from chalicelib.ports.services import Services
from chalicelib.usecases.request_rollback import request_rollback
from chalicelib.wire import backup as wire
from chalicelib.wire import query as query_wire
from handlers.containers import LIST_PATH, find
from handlers.hosts import accepted, ordering, result
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


def roll_back(request: Request, services: Services) -> object:
    """Put a container back on the image of one of its backups; which one it was, once that has gone well."""
    entry = find(request, services)
    body = request.payload if isinstance(request.payload, Mapping) else {}
    orders = ordering(request, services)
    asked, backup = request_rollback(entry, orders, services.operations, services.backups, body.get("backupId"))
    command = orders.wait(asked)
    if not command.ended:
        location = f"{LIST_PATH}/{entry.listing.id}/update-operations/{command.id}"
        return accepted(command.id, location, "The rollback goes on.")
    result(command)
    name, version = entry.listing.identity.name, backup.image_tag
    return {"message": f"{name} has been rolled back to {version}.", "backup": wire.write(backup)}


def _shown(backups: Sequence[Backup]) -> object:
    return {"data": [wire.write(backup) for backup in backups], "total": len(backups)}
