"""Components and agents, as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.agent import Agent
from chalicelib.domain.component import Component
from chalicelib.domain.trigger import Trigger, masked
from chalicelib.wire import moment

Json = dict[str, Any]


def write(component: Component) -> Json:
    """A component with its settings, its secrets masked."""
    body: Json = {
        "id": component.id,
        "type": component.type,
        "name": component.name,
        "configuration": _masked(component, component.configuration),
    }
    if component.agent:
        body["agent"] = component.agent
    if component.metadata:
        # What keeps a watcher from its engine may quote the engine's address.
        body["metadata"] = _masked(component, component.metadata)
    return body


def _masked(component: Component, facts: Mapping[str, Any]) -> Json:
    return dict(masked(Trigger(component.type, component.name, configuration=facts)))


def write_agent(agent: Agent, counts: dict[str, int], now: datetime) -> Json:
    """An executor, its host, and whether it has been heard of lately."""
    facts = agent.facts
    body = {
        "name": agent.name,
        "host": facts.get("host"),
        "connected": agent.connected(now),
        "version": facts.get("version"),
        "os": facts.get("os"),
        "arch": facts.get("arch"),
        "cpus": facts.get("cpus"),
        "memoryGb": facts.get("memoryGb"),
        "uptimeSeconds": _uptime(agent),
        "logLevel": facts.get("logLevel"),
        "lastSeen": moment.write_optional(agent.seen_at),
        "containers": {name: counts[name] for name in ("total", "running", "stopped")},
        "images": counts["images"],
    }
    return {name: value for name, value in body.items() if value is not None}


def _uptime(agent: Agent) -> int | None:
    """How long its executor had been up when it was last heard of, in seconds."""
    started = moment.read_optional(agent.facts.get("startedAt"))
    if started is None or agent.seen_at is None:
        return None
    return max(0, int((agent.seen_at - started).total_seconds()))
