"""All watched containers at one moment: what can be filtered, sorted and counted without opening a single document."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.collation import NameKey
from chalicelib.domain.container import Candidate, Identity, UpdateKind
from chalicelib.domain.operation import Operation
from chalicelib.domain.policy import NO_LAYERS, NO_POLICY, Layers, Policy
from chalicelib.domain.standing import Standing, standing

Document = Mapping[str, Any]
"""A container's stored body: opaque here, spelled out in `wire.container`."""


@dataclass(frozen=True, slots=True, eq=False)
class Listing:
    """The facts of one container that lists need, and a way to its whole document."""

    identity: Identity
    id: str
    display_name: str
    status: str
    tag: str
    update: UpdateKind
    candidate: Candidate | None
    image_created: datetime | None
    watched: bool
    group: str | None
    severe: bool
    """Whether the last scan of the running image found a critical or high vulnerability."""
    blocked: str | None
    """Why the security gate would refuse its candidate."""
    reference: str
    """What the engine pulled for it."""
    former_ids: tuple[str, ...]
    name_key: NameKey
    read: Callable[[], Document]
    routing: Callable[[], Mapping[str, str]] = dict
    """Its labels, with what an image set says of its triggers where they say nothing."""
    label_policy: Policy = NO_POLICY
    watcher_policy: Policy = NO_POLICY


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One container of a fleet with what belongs to its identity; `policy` is what its `layers` come to."""

    listing: Listing
    layers: Layers = NO_LAYERS
    policy: Policy = NO_POLICY
    operation: Operation | None = None

    def standing(self, now: datetime) -> Standing:
        """How its candidate stands now."""
        return standing(self.listing.candidate, self.policy, now)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """Every container of every agent, in base order (watcher, name, tag), and each by its Docker id."""

    entries: tuple[Entry, ...] = ()
    by_name: tuple[Entry, ...] = ()
    """The same in the order of their names."""
    by_id: Mapping[str, Entry] = field(default_factory=dict)
    mark: str = ""
    """Changes whenever anything in the fleet does."""
    offers: tuple[Entry, ...] = ()
    """Those with a candidate, offered or held back: of the others the clock changes nothing."""
    running: int = 0
    severe: int = 0

    def find(self, container_id: str) -> Entry | None:
        """The container with exactly this Docker id."""
        return self.by_id.get(container_id)

    def find_successor(self, container_id: str) -> Entry | None:
        """The container that has, or once had, this Docker id."""
        found = self.find(container_id)
        if found is not None:
            return found
        return next((entry for entry in self.entries if container_id in entry.listing.former_ids), None)

    def at(self, identity: Identity) -> Entry | None:
        """The container of this identity."""
        return next((entry for entry in self.entries if entry.listing.identity == identity), None)


def enter(listing: Listing, override: Policy = NO_POLICY, operation: Operation | None = None) -> Entry:
    """The listing with the policy its labels, its watcher and the operator's override come to."""
    if override is NO_POLICY and listing.label_policy is NO_POLICY and listing.watcher_policy is NO_POLICY:
        return Entry(listing, operation=operation)
    layers = Layers(override, listing.label_policy, listing.watcher_policy)
    return Entry(listing, layers, layers.effective, operation)


def assemble(entries: list[Entry], mark: str) -> Fleet:
    """A fleet of these entries, put in base order."""
    ordered = sorted(entries, key=lambda e: (e.listing.identity.watcher, e.listing.name_key, e.listing.tag))
    by_name = sorted(ordered, key=lambda entry: entry.listing.name_key)
    return Fleet(
        tuple(ordered),
        tuple(by_name),
        {entry.listing.id: entry for entry in ordered},
        mark,
        offers=tuple(entry for entry in ordered if entry.listing.candidate is not None),
        running=sum(entry.listing.status == "running" for entry in ordered),
        severe=sum(entry.listing.severe for entry in ordered),
    )
