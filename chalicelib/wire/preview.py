"""Previews, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.fleet import Entry


def write(entry: Entry, new_image: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """What an update would change; `found` is what its host has found out."""
    listing = entry.listing
    body = {
        "containerName": listing.identity.name,
        "currentImage": listing.reference,
        "newImage": new_image,
        "updateKind": listing.read().get("updateKind") or {"kind": "unknown"},
        "isRunning": found["is_running"],
        "networks": list(found["networks"]),
        "changes": [
            {"path": one["path"], "from": one["before"], "to": one["after"]} for one in found.get("changes", ())
        ],
    }
    return body | ({"compose": found["compose"]} if found.get("compose") else {})


def failure(error: str, code: str) -> dict[str, Any]:
    """Why there is none; `code` is for programs, `message` for those who know the reference's newer shape."""
    return {"error": error, "message": error, "code": code}
