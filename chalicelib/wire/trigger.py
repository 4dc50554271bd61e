"""Triggers, as the API shows them."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.trigger import Trigger, masked


def write(trigger: Trigger) -> dict[str, Any]:
    """A trigger with its settings, its secrets masked."""
    body: dict[str, Any] = {
        "id": trigger.id,
        "type": trigger.type,
        "name": trigger.name,
        "configuration": dict(masked(trigger)),
    }
    return body | ({"agent": trigger.agent} if trigger.agent else {})
