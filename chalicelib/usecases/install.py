"""Update the container whose install button was pressed: known by the words of its topic."""

from __future__ import annotations

from chalicelib.domain.command import Command
from chalicelib.domain.notice import topic_words
from chalicelib.ports.stores import FleetReader, OperationStore
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import request_update


def install(
    agent: str, watcher: str, name: str, fleet: FleetReader, ordering: Ordering, operations: OperationStore
) -> list[Command]:
    """The commands given: one, or none when no container of the agent goes by these words.

    Raises whatever stands in the way of the update, as `request_update` does.
    """
    asked = (agent, (watcher, name))
    identities = [(entry, entry.listing.identity) for entry in fleet.fleet().entries]
    return [
        request_update(entry, ordering, operations)
        for entry, one in identities
        if (one.agent, topic_words(one.agent, one.watcher, one.name)) == asked
    ]
