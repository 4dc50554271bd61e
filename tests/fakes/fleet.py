"""The reading side over stores in memory, and release notes kept in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.container import Container
from chalicelib.domain.fleet import Entry, Fleet, assemble, enter
from chalicelib.domain.release import ReleaseNotes
from chalicelib.ports.stores import ContainerStore, OperationStore, PolicyStore
from chalicelib.wire import container as wire


class FakeFleet:
    """A FleetReader that looks at everything, every time; `places` are the agents and watchers there are."""

    def __init__(
        self,
        containers: ContainerStore,
        policies: PolicyStore,
        operations: OperationStore,
        places: Sequence[tuple[str, str]] = (("local", "local"),),
    ) -> None:
        self._containers = containers
        self._policies = policies
        self._operations = operations
        self._places = places

    def fleet(self) -> Fleet:
        found = [one for place in self._places for one in self._containers.of_watcher(*place)]
        entries = [self._entry(one) for one in found]
        return assemble(
            entries, repr([(one, entry.policy, entry.operation) for one, entry in zip(found, entries, strict=True)])
        )

    def _entry(self, container: Container) -> Entry:
        identity = container.identity
        document = wire.document(container)
        listing = wire.listing(identity, wire.facts(container), lambda: document)
        history = self._operations.history(identity)
        operation = next((one for one in history if not one.ended), None)
        return enter(listing, self._policies.get(identity)[0], operation)


class FakeReleaseCache:
    """A ReleaseNotesCache in a dictionary."""

    def __init__(self) -> None:
        self._items: dict[str, tuple[ReleaseNotes | None, datetime]] = {}

    def get(self, key: str, now: datetime) -> tuple[bool, ReleaseNotes | None]:
        notes, until = self._items.get(key, (None, now))
        return (True, notes) if until > now else (False, None)

    def put(self, key: str, notes: ReleaseNotes | None, until: datetime) -> None:
        self._items[key] = (notes, until)
