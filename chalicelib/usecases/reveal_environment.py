"""Asks a container's host for its environment, secrets included; nothing of it stays in the store or the log."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.container import EnvEntry
from chalicelib.domain.environment import is_sensitive
from chalicelib.domain.errors import Failed
from chalicelib.domain.fleet import Entry
from chalicelib.ports.stores import AuditStore
from chalicelib.usecases.order import Ordering

PATIENCE = timedelta(seconds=20)
"""Longer than any inspection takes, shorter than any gateway waits. There is no 202: nobody could fetch it later."""


def reveal_environment(entry: Entry, ordering: Ordering) -> Command:
    """The ended command with the environment in its result; the store has already forgotten it.

    Raises Failed when the agent is not connected, or does not answer in time.
    """
    identity = entry.listing.identity
    ordering.require_connected(identity.agent)
    command = ordering.order(identity.agent, CommandKind.REVEAL, about(identity, entry.listing.id))
    try:
        ended = replace(ordering, patience=PATIENCE).wait(command)
    finally:
        # Whoever still works on it cannot store its end any more.
        ordering.commands.remove(command.agent, command.id)
    if not ended.ended:
        raise Failed(f"Agent {identity.agent} did not answer in time. Try again.")
    return ended


def environment(command: Command) -> list[EnvEntry]:
    """The variables such a command found, in their order."""
    return [EnvEntry(str(key), str(value), is_sensitive(str(key))) for key, value in command.result["env"]]


def note_reveal(
    entry: Entry, revealed: list[EnvEntry], ordering: Ordering, audit: AuditStore, *, image: str, caller: str
) -> None:
    """Leave a row that says how many secrets were seen, and by whom: no name and no value of any."""
    secrets = sum(one.sensitive for one in revealed)
    audit.add(
        [
            AuditEntry(
                id=ordering.clock.new_id(),
                at=ordering.clock.now(),
                action="env-reveal",
                status="info",
                identity=entry.listing.identity,
                image=image,
                details=f"{secrets} sensitive of {len(revealed)} variables, by {caller}",
            )
        ]
    )
