"""Ask what an update would change, and note that it was asked."""

from __future__ import annotations

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.fleet import Entry
from chalicelib.ports.stores import AuditStore
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import docker_trigger, target


def request_preview(entry: Entry, ordering: Ordering) -> Command:
    """The command that looks ahead, whether or not there is an update: without one, at the running tag.

    Raises NotFound without a docker trigger, Failed when the agent is not connected.
    """
    listing = entry.listing
    identity = listing.identity
    agent = ordering.require_connected(identity.agent)
    asked = about(identity, listing.id) | {
        "trigger": docker_trigger(listing, agent),
        "from_version": listing.update.local_value or listing.tag,
        "to_version": listing.update.remote_value or listing.tag,
        "target_image": new_image(entry),
    }
    return ordering.order(identity.agent, CommandKind.PREVIEW, asked)


def new_image(entry: Entry) -> str:
    """The reference an update would move to."""
    return target(entry.listing.reference, entry.listing.update).familiar


def note_preview(entry: Entry, ordering: Ordering, audit: AuditStore, trouble: str | None = None) -> None:
    """A row in the audit log: that it was looked at, or why it could not be."""
    listing = entry.listing
    audit.add(
        [
            AuditEntry(
                id=ordering.clock.new_id(),
                at=ordering.clock.now(),
                action="preview",
                status="error" if trouble else "info",
                identity=listing.identity,
                image=new_image(entry),
                from_version=listing.update.local_value or listing.tag,
                to_version=listing.update.remote_value or listing.tag,
                details=trouble,
            )
        ]
    )
