"""Changes what the operator says about a container's updates, whoever else does so at the same moment."""

from __future__ import annotations

from contextlib import suppress

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.errors import Stale, Unavailable
from chalicelib.domain.fleet import Entry
from chalicelib.domain.policy import Layers, PolicyRequest
from chalicelib.domain.policy_change import SETTING, change
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore, PolicyStore

_ATTEMPTS = 10


def change_policy(
    entry: Entry, request: PolicyRequest, policies: PolicyStore, audit: AuditStore, clock: Clock, caller: str
) -> None:
    """Store the override the request leads to, and that `caller` did so.

    Raises Invalid when the request makes no sense, Unavailable when too many write at once.
    """
    listing = entry.listing
    for _ in range(_ATTEMPTS):
        override, revision = policies.get(listing.identity)
        layers = Layers(override, listing.label_policy, listing.watcher_policy)
        changed = change(layers, request, listing.update, clock.now())
        if changed == override:
            return
        with suppress(Stale):
            policies.put(listing.identity, changed, revision)
            break
    else:
        raise Unavailable(f"The policy of {listing.identity.name} is being written by too many at once. Try again.")
    kind = "set" if request.action in SETTING else "cleared"
    audit.add(
        [
            AuditEntry(
                id=clock.new_id(),
                at=clock.now(),
                action=f"update-policy-override-{kind}",
                status="info",
                identity=listing.identity,
                details=f"{request.action}, by {caller}",
            )
        ]
    )
