"""Containers by the group their labels put them in."""

from __future__ import annotations

from chalicelib.domain.groups import by_group
from chalicelib.ports.services import Services
from chalicelib.wire import group as wire
from handlers.http import Request


def list_groups(_request: Request, services: Services) -> object:
    """Every group with its containers in brief; those without one come last, under no name."""
    now = services.clock.now()
    groups = [wire.write(name, entries, now) for name, entries in by_group(services.fleet.fleet())]
    return {"data": groups, "total": len(groups)}
