"""News: what has become of a fleet between two looks at it, in the words of the UI's event stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.agent import Agent
from chalicelib.domain.fleet import Entry, Fleet
from chalicelib.domain.operation import Operation

ADDED, UPDATED, REMOVED = "container-added", "container-updated", "container-removed"
OPERATION, APPLIED, FAILED = "update-operation-changed", "update-applied", "update-failed"
CONNECTED, DISCONNECTED = "agent-connected", "agent-disconnected"

_TOLD = ("result", "error", "image", "health", "security", "displayName")
"""What a container shows that is worth telling a viewer about, besides what lists go by."""


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened: to a container, to an operation on one, or to an agent."""

    name: str
    entry: Entry | None = None
    operation: Operation | None = None
    agent: str | None = None
    replaced: bool = False
    """Of a removed container: whether an operation that is under way removed it, so that it comes back."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """News with their place in the stream of one process; `at` is on its monotonic clock, in seconds."""

    number: int
    at: float
    news: News


def of_containers(before: Fleet, after: Fleet) -> list[News]:
    """Containers that came, changed or went."""
    if before.mark == after.mark:
        return []
    old = {entry.listing.identity: entry for entry in before.entries}
    found = []
    for entry in after.entries:
        known = old.pop(entry.listing.identity, None)
        if known is None:
            found.append(News(ADDED, entry))
        elif _differs(known, entry):
            found.append(News(UPDATED, entry))
    return found + [News(REMOVED, entry, replaced=entry.operation is not None) for entry in old.values()]


def of_operations(before: Fleet, after: Fleet) -> tuple[list[News], list[Operation]]:
    """Operations that began or went on, and those that are open no longer: only the ledger knows how they ended."""
    old = {entry.operation.id: entry.operation for entry in before.entries if entry.operation is not None}
    found = []
    for entry in after.entries:
        if entry.operation is not None and old.pop(entry.operation.id, None) != entry.operation:
            found.append(News(OPERATION, entry, entry.operation))
    return found, list(old.values())


def of_end(operation: Operation) -> list[News]:
    """How an operation ended."""
    ending = APPLIED if operation.status == "succeeded" else FAILED
    return [News(OPERATION, operation=operation), News(ending, operation=operation)]


def connections(agents: Iterable[Agent], now: datetime) -> dict[str, bool]:
    """Which agents are connected."""
    return {agent.name: agent.connected(now) for agent in agents}


def of_agents(before: Mapping[str, bool], after: Mapping[str, bool]) -> list[News]:
    """Agents that came or went."""
    return [
        News(CONNECTED if connected else DISCONNECTED, agent=name)
        for name, connected in after.items()
        if connected != before.get(name, False)
    ]


def _differs(old: Entry, new: Entry) -> bool:
    if old.policy != new.policy:
        return True
    before, after = old.listing, new.listing
    if before is after:
        return False
    facts = (before.id, before.status, before.tag, before.update, before.candidate, before.severe)
    if facts != (after.id, after.status, after.tag, after.update, after.candidate, after.severe):
        return True
    was, is_now = before.read(), after.read()
    return any(was.get(name) != is_now.get(name) for name in _TOLD)
