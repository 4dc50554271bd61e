"""Agents in DynamoDB: the heartbeat beside the counters that readers go by."""

from __future__ import annotations

from datetime import datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.changes import NOUNS
from chalicelib.adapters.dynamo.models import AgentModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.agent import Agent
from chalicelib.wire import moment


class DynamoAgents:
    """One item per agent."""

    def report(self, agent: Agent, seen_at: datetime) -> None:
        """Store a heartbeat; the counters stay as they are."""
        with translated(f"agent {agent.name}"):
            AgentModel(agent.name).update(
                actions=[
                    AgentModel.seen_at.set(moment.write(seen_at)),
                    AgentModel.executor.set(agent.executor or ""),
                    AgentModel.watchers.set(blob.pack(dict(agent.watchers))),
                    AgentModel.facts.set(blob.pack(dict(agent.facts))),
                ]
            )

    def all(self) -> list[Agent]:
        """Every agent that ever reported, by name."""
        with translated("the agents"):
            items = list(AgentModel.scan(consistent_read=True))
        return sorted((_read(item) for item in items), key=lambda agent: agent.name)

    def get(self, name: str) -> Agent | None:
        """One of them."""
        with translated(f"agent {name}"):
            try:
                return _read(AgentModel.get(name, consistent_read=True))
            except AgentModel.DoesNotExist:
                return None


def _read(item: AgentModel) -> Agent:
    return Agent(
        name=item.agent,
        seen_at=moment.read_optional(item.seen_at),
        executor=item.executor,
        watchers=blob.unpack(item.watchers) if item.watchers else {},
        facts=blob.unpack(item.facts) if item.facts else {},
        changes={noun: int(getattr(item, noun) or 0) for noun in NOUNS},
    )
