"""Groups of containers that belong together, as their labels say."""

from __future__ import annotations

from chalicelib.domain.collation import name_key
from chalicelib.domain.fleet import Entry, Fleet


def by_group(fleet: Fleet) -> list[tuple[str | None, list[Entry]]]:
    """Each group with its containers, both in the order of names; those without a group last."""
    found: dict[str | None, list[Entry]] = {}
    for entry in sorted(fleet.entries, key=lambda one: one.listing.name_key):
        found.setdefault(entry.listing.group, []).append(entry)
    return sorted(found.items(), key=lambda group: (group[0] is None, name_key(group[0] or "")))
