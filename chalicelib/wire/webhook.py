"""What webhooks need to know of a stored container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lookup_image(document: Mapping[str, Any]) -> str | None:
    """The image that is asked for tags in place of the container's own, when there is one."""
    found = (document.get("image") or {}).get("registry") or {}
    return found.get("lookupImage")
