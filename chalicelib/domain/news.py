"""News: what has become of a fleet between two looks at it, in the words of the UI's event stream."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.agent import Agent
from chalicelib.domain.component import counts_by_agent
from chalicelib.domain.fleet import Entry, Fleet
from chalicelib.domain.operation import Operation

ADDED, UPDATED, REMOVED = "container-added", "container-updated", "container-removed"
OPERATION, APPLIED, FAILED = "update-operation-changed", "update-applied", "update-failed"
CONNECTED, DISCONNECTED = "agent-connected", "agent-disconnected"
SCAN_STARTED, SCAN_COMPLETED = "scan-started", "scan-completed"
SELF_UPDATE = "self-update"
UNHEALTHY, AGENT_STATS, WATCH_PROGRESS = "container-unhealthy", "agent-stats-changed", "watch-progress"

RUNNING_SCAN, FAILED_SCAN = "running", "error"
"""How a scan stands while it lasts, and when it did not come to its end."""

_OF_PROGRESS = (
    *("running", "checked", "total", "errors", "startedAt"),
    *("lastRunAt", "lastDurationMs", "lastChecked", "lastErrors"),
)
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
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else there is to tell, as the agent reported it."""


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
        if _unhealthy(entry, known):
            found.append(News(UNHEALTHY, entry))
    return found + [News(REMOVED, entry, replaced=entry.operation is not None) for entry in old.values()]


def of_operations(before: Fleet, after: Fleet, own: Set[str] = frozenset()) -> tuple[list[News], list[Operation]]:
    """Operations that began or went on, and those that are open no longer: only the ledger knows how they ended.

    `own` are the ids of containers in which agents themselves run: to change one of these is a self-update.
    """
    old = {entry.operation.id: entry.operation for entry in before.entries if entry.operation is not None}
    found = []
    for entry in after.entries:
        if entry.operation is None:
            continue
        known = old.pop(entry.operation.id, None)
        if known is None and entry.operation.container_id in own:
            found.append(News(SELF_UPDATE, entry, entry.operation))
        if known != entry.operation:
            found.append(News(OPERATION, entry, entry.operation))
    return found, list(old.values())


def of_end(operation: Operation) -> list[News]:
    """How an operation ended."""
    ending = APPLIED if operation.status == "succeeded" else FAILED
    return [News(OPERATION, operation=operation), News(ending, operation=operation)]


def own_containers(agents: Iterable[Agent]) -> frozenset[str]:
    """The ids of containers in which agents run."""
    return frozenset(str(one) for agent in agents for one in agent.facts.get("own", ()))


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


def of_scans(before: Iterable[Agent], after: Iterable[Agent]) -> list[News]:
    """Scans that began, and those that ended; one that was over before anybody looked did both."""
    old, found = _scans(before), []
    for number, scan in _scans(after).items():
        known = old.get(number)
        if known is None:
            found.append(News(SCAN_STARTED, facts=scan))
        if scan["status"] != RUNNING_SCAN and (known is None or known["status"] == RUNNING_SCAN):
            found.append(News(SCAN_COMPLETED, facts=scan))
    return found


def of_progress(before: Iterable[Agent], after: Iterable[Agent]) -> list[News]:
    """Watchers whose cycle began, got on or ended."""
    old = {(agent.name, name): _progress(facts) for agent in before for name, facts in agent.watchers.items()}
    return [
        News(WATCH_PROGRESS, agent=agent.name, facts={"watcher": name, **progress})
        for agent in after
        for name, facts in agent.watchers.items()
        if (progress := _progress(facts)) and old.get((agent.name, name)) != progress
    ]


def of_counts(before: Fleet, after: Fleet) -> list[News]:
    """Agents that have more, fewer or other containers than before, or more or fewer that run."""
    if before.mark == after.mark:
        return []
    old, new = counts_by_agent(before), counts_by_agent(after)
    nothing = {"total": 0, "running": 0, "stopped": 0, "images": 0}
    return [
        News(AGENT_STATS, agent=name, facts=new.get(name, nothing))
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _scans(agents: Iterable[Agent]) -> dict[str, Mapping[str, Any]]:
    return {str(scan["id"]): scan for agent in agents for scan in agent.facts.get("scans", ())}


def _progress(watcher: Mapping[str, Any]) -> dict[str, Any]:
    """What of a watcher's progress is worth a frame; when it runs next is not."""
    told = watcher.get("progress", {})
    return {name: told[name] for name in _OF_PROGRESS if name in told}


def _unhealthy(entry: Entry, known: Entry | None) -> bool:
    """Whether it has just become unhealthy."""
    if known is None or known.listing is entry.listing or entry.listing.read().get("health") != "unhealthy":
        return False
    return known.listing.read().get("health") != "unhealthy"


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
