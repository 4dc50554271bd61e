"""The release notes of a container's newer version."""

from __future__ import annotations

from chalicelib.ports.services import Services
from chalicelib.usecases.find_release_notes import find_release_notes
from chalicelib.wire import release as wire
from handlers.containers import find
from handlers.http import Request


def get_release_notes(request: Request, services: Services) -> object:
    """What its forge says about the version the registry offers."""
    document = find(request, services).listing.read()
    tag = document.get("result", {}).get("tag")
    source = document.get("sourceRepo")
    return wire.write(find_release_notes(source, tag, services.forges, services.release_cache, services.clock))
