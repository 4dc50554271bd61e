"""Counters by which readers learn that something of an agent was written."""

from __future__ import annotations

from chalicelib.adapters.dynamo.models import AgentModel
from chalicelib.adapters.dynamo.trouble import translated

CONTAINERS, OPERATIONS, POLICIES = "containers", "operations", "policies"
NOUNS = (CONTAINERS, OPERATIONS, POLICIES)


def announce(agent: str, noun: str) -> None:
    """Count one more write of this noun of the agent."""
    with translated(f"agent {agent}"):
        AgentModel(agent).update(actions=[getattr(AgentModel, noun).add(1)])
