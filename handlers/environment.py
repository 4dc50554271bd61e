"""The environment of a container as it really is."""

from __future__ import annotations

from chalicelib.ports.services import Services
from chalicelib.usecases.reveal_environment import environment, note_reveal, reveal_environment
from chalicelib.wire import container as wire
from handlers.containers import find
from handlers.hosts import ordering, result
from handlers.http import Request


def reveal(request: Request, services: Services) -> object:
    """Every variable with its true value, fetched from the host, and a row in the audit log that it was."""
    entry = find(request, services)
    orders = ordering(request, services)
    revealed = environment(result(reveal_environment(entry, orders)))
    image = entry.listing.read()["image"]["name"]
    note_reveal(entry, revealed, orders, services.audit, image=image, caller=request.caller_name)
    return wire.revealed(revealed)
