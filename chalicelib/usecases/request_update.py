"""Ask for a container to be moved to its candidate: every refusal first, then one open operation and one command."""

from __future__ import annotations

from datetime import datetime

from chalicelib.domain.agent import Agent
from chalicelib.domain.command import Command
from chalicelib.domain.compose_routing import by_precedence
from chalicelib.domain.container import UpdateKind
from chalicelib.domain.errors import Conflict, Invalid, NotFound
from chalicelib.domain.fleet import Entry, Listing
from chalicelib.domain.operation import Operation
from chalicelib.domain.reference import Reference
from chalicelib.domain.routing import served
from chalicelib.domain.trigger import of_agent
from chalicelib.ports.stores import OperationStore
from chalicelib.usecases.order import Ordering

DOCKER_TYPES = ("docker", "dockercompose")

_HELD_BACK = {
    "snoozed": "it is snoozed",
    "immature": "it is not old enough for the maturity policy",
    "skipped-tag": "that tag is skipped",
    "skipped-digest": "that digest is skipped",
}


def request_update(
    entry: Entry,
    ordering: Ordering,
    operations: OperationStore,
    trigger_id: str | None = None,
    *,
    automatic: bool = False,
) -> Command:
    """The command that updates this container, by that docker trigger or by the first one its labels leave.

    `automatic` says that nobody asked for it by hand.
    Raises Invalid when there is nothing to move to, NotFound without a docker trigger, Conflict while an operation is
    open or when the security gate blocks the candidate, Failed when the agent is not connected.
    """
    now = ordering.clock.now()
    listing = entry.listing
    _require_candidate(entry, now)
    agent = ordering.require_connected(listing.identity.agent)
    trigger = docker_trigger(listing, agent, trigger_id)
    if listing.blocked is not None:
        raise Conflict(listing.blocked)
    operation = operations.open(
        Operation(
            id=ordering.clock.new_id(),
            identity=listing.identity,
            container_id=listing.id,
            created_at=now,
            updated_at=now,
            trigger=trigger,
            from_version=listing.update.local_value or listing.tag,
            to_version=listing.update.remote_value or listing.tag,
            target_image=target(listing.reference, listing.update).familiar,
            candidate_digest=listing.candidate.digest if listing.candidate else None,
            policy_mark=entry.policy.mark,
            automatic=automatic,
        )
    )
    return ordering.order_operation(operation)


def docker_trigger(listing: Listing, agent: Agent, trigger_id: str | None = None) -> str:
    """The id of the docker trigger to use: the one asked for, else the first that the container's labels leave.

    Raises NotFound when there is none.
    """
    name = listing.identity.name
    known = {f"{one.type}.{one.name}": one for one in of_agent(agent.name, agent.facts) if one.type in DOCKER_TYPES}
    if not known:
        raise NotFound(f"No docker trigger is configured for {name}; add one with DD_ACTION_DOCKER_*.")
    if trigger_id is not None:
        if trigger_id not in known:
            raise NotFound(f"No docker trigger {trigger_id} is configured for {name}.")
        return trigger_id
    labels = listing.routing()
    left = served(by_precedence(known.values(), labels), labels)
    if not left:
        raise NotFound(f"The labels of {name} leave no docker trigger: all are excluded, or others are included.")
    return f"{left[0].type}.{left[0].name}"


def target(reference: str, update: UpdateKind) -> Reference:
    """What to pull: the running name with the new tag; a name pinned to a digest moves to the new digest."""
    running = Reference.parse(reference)
    if update.kind == "tag" and update.remote_value:
        return running.with_tag(update.remote_value)
    if running.digest is not None and update.remote_value:
        return running.with_digest(update.remote_value)
    return running


def _require_candidate(entry: Entry, now: datetime) -> None:
    standing = entry.standing(now)
    if standing.update_available:
        return
    name = entry.listing.identity.name
    if standing.suppressed_by is None:
        raise Invalid(f"No update is available for {name}.")
    why = _HELD_BACK[standing.suppressed_by]
    raise Invalid(f"No update is available for {name}: the candidate is held back, {why}.")
