"""Groups of containers, as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from chalicelib.domain.fleet import Entry


def write(name: str | None, entries: Sequence[Entry], now: datetime) -> dict[str, Any]:
    """One group with its containers in brief; that of those without one has no name."""
    containers = [
        {
            "id": entry.listing.id,
            "name": entry.listing.identity.name,
            "displayName": entry.listing.display_name,
            "updateAvailable": entry.standing(now).update_available,
        }
        for entry in entries
    ]
    return ({"name": name} if name is not None else {}) | {
        "containers": containers,
        "containerCount": len(containers),
        "updatesAvailable": sum(1 for container in containers if container["updateAvailable"]),
    }
