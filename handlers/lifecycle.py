"""Starting, stopping and restarting a container."""

from __future__ import annotations

from chalicelib.domain.command import CommandKind
from chalicelib.domain.errors import NotFound
from chalicelib.domain.fleet import Entry
from chalicelib.ports.services import Services
from handlers.containers import find, show
from handlers.hosts import on_container
from handlers.http import Request


def start_container(request: Request, services: Services) -> object:
    """Start it; a running one is left alone."""
    return _act(request, services, CommandKind.START, "started")


def stop_container(request: Request, services: Services) -> object:
    """Stop it; a stopped one is left alone."""
    return _act(request, services, CommandKind.STOP, "stopped")


def restart_container(request: Request, services: Services) -> object:
    """Stop and start it; a stopped one is started."""
    return _act(request, services, CommandKind.RESTART, "restarted")


def _act(request: Request, services: Services, kind: CommandKind, done: str) -> object:
    entry = find(request, services)

    def answer() -> object:
        current = _current(entry, services)
        return {"message": f"{current.listing.identity.name} has been {done}.", "result": show(current, services)}

    return on_container(request, services, entry, kind, answer)


def _current(entry: Entry, services: Services) -> Entry:
    current = services.fleet.fleet().at(entry.listing.identity)
    if current is None:
        raise NotFound("The container has been removed meanwhile.")
    return current
