"""How the latest updates went: one word per container, from the newest rows of the audit log."""

from __future__ import annotations

from collections.abc import Iterable

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Identity

WINDOW = 100
"""How many of the newest rows count, whatever they tell of."""

_WORDS = {"update-applied": "updated", "update-failed": "failed", "update-available": "pending"}


def recent_statuses(newest_first: Iterable[AuditEntry]) -> dict[Identity, str]:
    """`updated`, `pending` or `failed` by identity; the newest row about a container decides."""
    found: dict[Identity, str] = {}
    for entry in newest_first:
        word = _WORDS.get(entry.action)
        if word is not None and entry.identity.name.strip():
            found.setdefault(entry.identity, word)
    return found
