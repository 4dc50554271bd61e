"""Forgets the record of a container; the container itself is left alone, and the next watch finds it again."""

from __future__ import annotations

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.fleet import Entry
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore, ContainerStore


def forget_container(
    entry: Entry, containers: ContainerStore, audit: AuditStore, clock: Clock, *, image: str, caller: str
) -> None:
    """Remove the record, and note that `caller` did so. Its policy, operations, backups and audit rows stay."""
    containers.remove([entry.listing.identity])
    audit.add(
        [
            AuditEntry(
                id=clock.new_id(),
                at=clock.now(),
                action="container-removed",
                status="info",
                identity=entry.listing.identity,
                image=image,
                details=f"record deleted, by {caller}",
            )
        ]
    )
