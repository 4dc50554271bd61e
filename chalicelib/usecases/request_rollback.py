"""Ask for a container to be put back on a remembered image: every refusal first, then one operation and one command."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.backup import Backup
from chalicelib.domain.command import Command
from chalicelib.domain.errors import NotFound
from chalicelib.domain.fleet import Entry, Listing
from chalicelib.domain.operation import ROLLBACK, Operation
from chalicelib.ports.stores import BackupStore, OperationStore
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_update import docker_trigger


def request_rollback(
    entry: Entry,
    ordering: Ordering,
    operations: OperationStore,
    backups: BackupStore,
    backup_id: str | None = None,
    *,
    automatic: bool = False,
) -> tuple[Command, Backup]:
    """The command that puts this container back on that backup's image, or on the newest one it does not run.

    `automatic` says that nobody asked for it by hand. No policy and no security gate holds a rollback back: it leads to
    what ran here before. Raises NotFound without such a backup or without a docker trigger, Conflict while an operation
    is open, Failed when the agent is not connected.
    """
    now = ordering.clock.now()
    listing = entry.listing
    backup = _chosen(listing, backups.of(listing.identity), backup_id)
    agent = ordering.require_connected(listing.identity.agent)
    trigger = docker_trigger(listing, agent)
    from_version, to_version = _versions(listing, backup)
    operation = operations.open(
        Operation(
            id=ordering.clock.new_id(),
            identity=listing.identity,
            container_id=listing.id,
            created_at=now,
            updated_at=now,
            kind=ROLLBACK,
            trigger=trigger,
            from_version=from_version,
            to_version=to_version,
            target_image=backup.reference(pinned="@" in listing.reference),
            backup_id=backup.id,
            wanted_digest=backup.image_digest,
            wanted_image_id=backup.image_id,
            automatic=automatic,
        )
    )
    command = ordering.order_operation(operation)
    return command, backup


def _chosen(listing: Listing, known: Sequence[Backup], backup_id: str | None) -> Backup:
    name = listing.identity.name
    if backup_id is not None:
        found = next((one for one in known if one.id == backup_id), None)
        if found is None:
            raise NotFound(f"No backup {backup_id} is known for {name}.")
        return found
    if not known:
        raise NotFound(f"No backup is known for {name}: one is made before every update.")
    # An update that was undone has left a backup of what runs still: there is nothing to go back to in that.
    image = listing.read().get("image") or {}
    return next((one for one in known if not one.is_of(image.get("id"), _digest(listing))), known[0])


def _versions(listing: Listing, backup: Backup) -> tuple[str, str]:
    """Tags, and where both are the same one, digests."""
    running = _digest(listing)
    if backup.image_tag == listing.tag and backup.image_digest and running:
        return running, backup.image_digest
    return listing.tag, backup.image_tag


def _digest(listing: Listing) -> str | None:
    digest = (listing.read().get("image") or {}).get("digest") or {}
    return digest.get("value") or str(digest.get("repo") or "").partition("@")[2] or None
