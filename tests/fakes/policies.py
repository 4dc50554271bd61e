"""Policies and agents in memory."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.agent import Agent
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Stale
from chalicelib.domain.policy import NO_POLICY, Policy


class FakePolicies:
    """A PolicyStore in a dictionary."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[Identity, tuple[Policy, int]] = {}

    def get(self, identity: Identity) -> tuple[Policy, int]:
        return self._items.get(identity, (NO_POLICY, 0))

    def put(self, identity: Identity, policy: Policy, revision: int) -> None:
        with self._lock:
            if self.get(identity)[1] != revision:
                raise Stale(f"policy of {identity.name} has changed meanwhile")
            self._items[identity] = (policy, revision + 1)


class FakeAgents:
    """An AgentStore in a dictionary."""

    def __init__(self) -> None:
        self._items: dict[str, Agent] = {}

    def report(self, agent: Agent, seen_at: datetime) -> None:
        known = self._items.get(agent.name, agent)
        at = seen_at.replace(microsecond=seen_at.microsecond // 1000 * 1000)
        self._items[agent.name] = replace(agent, seen_at=at, changes=known.changes)

    def all(self) -> list[Agent]:
        return sorted(self._items.values(), key=lambda agent: agent.name)

    def get(self, name: str) -> Agent | None:
        return self._items.get(name)
