"""Components: what Slipway is made of by its settings, such as watchers and registries, as their agents report them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.agent import Agent
from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.fleet import Fleet
from chalicelib.domain.trigger import of_agent


@dataclass(frozen=True, slots=True)
class Component:
    """One of them; `agent` is absent for those of the local agent and of the server itself."""

    type: str
    name: str
    agent: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`type.name`, or `agent.type.name`."""
        plain = f"{self.type}.{self.name}"
        return f"{self.agent}.{plain}" if self.agent else plain


def watchers(agents: Iterable[Agent], fleet: Fleet) -> list[Component]:
    """Every watched engine, with counts of its containers, how far its cycle is and what keeps it from watching."""
    found = []
    for agent in agents:
        for name, facts in agent.watchers.items():
            metadata: dict[str, Any] = {"stats": counts(fleet, agent.name, name), **facts.get("progress", {})}
            if "error" in facts:
                metadata["error"] = facts["error"]
            settings = {key: value for key, value in facts.items() if key not in ("error", "progress")}
            found.append(Component("docker", name, _shown(agent), settings, metadata))
    return ordered(found)


def registries(agents: Iterable[Agent]) -> list[Component]:
    """Every registry that an agent can ask, and how the hosts it asked there do."""
    return ordered(
        Component(
            str(one["type"]), str(one["name"]), _shown(agent), one.get("configuration") or {}, one.get("metadata") or {}
        )
        for agent in agents
        for one in agent.facts.get("registries", ())
    )


def responses(agents: Iterable[Agent]) -> dict[tuple[str, str], tuple[int, float]]:
    """By type and name of registry: how many requests all agents have sent, and the seconds these took together."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for agent in agents:
        for registry, (requests, seconds) in agent.facts.get("responses", {}).items():
            kind, _, name = registry.partition(".")
            before = found.get((kind, name), (0, 0.0))
            found[kind, name] = (before[0] + int(requests), before[1] + float(seconds))
    return found


def triggers(agents: Iterable[Agent]) -> list[Component]:
    """Every notification and action."""
    return ordered(
        Component(one.type, one.name, one.agent, one.configuration)
        for agent in agents
        for one in of_agent(agent.name, agent.facts)
    )


def counts(fleet: Fleet, agent: str, watcher: str | None = None) -> dict[str, int]:
    """How many containers an agent, or one watcher of it, has; how many run; how many images they are of."""
    listings = [
        entry.listing
        for entry in fleet.entries
        if entry.listing.identity.agent == agent and watcher in (None, entry.listing.identity.watcher)
    ]
    running = sum(listing.status == "running" for listing in listings)
    images = len({listing.reference for listing in listings})
    return {"total": len(listings), "running": running, "stopped": len(listings) - running, "images": images}


def counts_by_agent(fleet: Fleet) -> dict[str, dict[str, int]]:
    """The same of every agent that has containers, in one pass."""
    running: Counter[str] = Counter()
    images: dict[str, list[str]] = {}
    for entry in fleet.entries:
        listing = entry.listing
        images.setdefault(listing.identity.agent, []).append(listing.reference)
        running[listing.identity.agent] += listing.status == "running"
    return {
        name: {
            "total": len(those),
            "running": running[name],
            "stopped": len(those) - running[name],
            "images": len(set(those)),
        }
        for name, those in images.items()
    }


def ordered(components: Iterable[Component]) -> list[Component]:
    """By type, then name, then agent; the local agent first."""
    return sorted(components, key=lambda one: (one.type, one.name, one.agent or ""))


def _shown(agent: Agent) -> str | None:
    return None if agent.name == LOCAL_AGENT else agent.name
