"""What an operator says about a container's updates."""

from __future__ import annotations

from chalicelib.ports.services import Services
from chalicelib.usecases.change_policy import change_policy
from chalicelib.wire import policy as policy_wire
from handlers.containers import find, show
from handlers.http import Request


def change_update_policy(request: Request, services: Services) -> object:
    """Skip, snooze or let mature, or take that back; the container as it stands then."""
    entry = find(request, services)
    asked = policy_wire.request(request.payload if isinstance(request.payload, dict) else {})
    change_policy(entry, asked, services.policies, services.audit, services.clock, request.caller_name)
    current = services.fleet.fleet().at(entry.listing.identity)
    return show(current or entry, services)
