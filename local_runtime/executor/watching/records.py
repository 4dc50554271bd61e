"""What is stored of one watcher's containers: all writers come through here, and no later word is written over."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore, ContainerStore

_FEW = 5

Merge = Callable[[Container, Container], Container]


class Records:
    """The containers of one watcher in the store, and the audit rows about them. Thread-safe.

    A scan reads many containers and writes them a little later; `spoken` counts who has written about each meanwhile.
    """

    def __init__(
        self,
        agent: str,
        watcher: str,
        containers: ContainerStore,
        audit: AuditStore,
        clock: Clock,
        removed: Callable[[Sequence[Container]], object] = lambda _: None,
    ) -> None:
        """`removed` is told of containers that are gone, before their records go."""
        self._agent = agent
        self._watcher = watcher
        self._containers = containers
        self._audit = audit
        self._clock = clock
        self._removed = removed
        self._spoken: Counter[Identity] = Counter()
        self.writing = threading.RLock()
        """Held by whoever reads and then writes."""

    def all(self) -> list[Container]:
        """Every container of this watcher."""
        return list(self._containers.of_watcher(self._agent, self._watcher))

    def get(self, identity: Identity) -> Container | None:
        """One of them."""
        return self._containers.get(identity)

    def several(self, identities: AbstractSet[Identity]) -> list[Container]:
        """What is stored of these: one reading for many of them."""
        if len(identities) > _FEW:
            return [one for one in self.all() if one.identity in identities]
        return [one for identity in identities if (one := self.get(identity)) is not None]

    def spoken(self) -> Counter[Identity]:
        """How often somebody has written about each container since the start, besides scans."""
        return self._spoken.copy()

    def speak(self, identity: Identity) -> None:
        """A scan that has read this container before must not write over what is told now."""
        self._spoken[identity] += 1

    def save(self, containers: Sequence[Container]) -> None:
        """Store these as they are."""
        self._containers.save(containers)

    def add(self, containers: Sequence[Container]) -> None:
        """Say of these that they are new."""
        self._audit.add([self._entry(one, "container-added") for one in containers])

    def remove(self, containers: Sequence[Container]) -> None:
        """Forget these, and say so; who dies in between says it again."""
        if containers:
            self._removed(containers)
        self._containers.remove([container.identity for container in containers])
        self._audit.add([self._entry(one, "container-removed") for one in containers])

    def amend(self, identity: Identity, change: Callable[[Container], Container]) -> Container | None:
        """Store what `change` makes of the container as it is stored now; None when it is not stored any more."""
        with self.writing:
            now = self.get(identity)
            if now is None:
                return None
            changed = change(now)
            if changed != now:
                self.save([changed])
                self.speak(identity)
            return changed

    def store_findings(self, checked: Iterable[Container], merge: Merge) -> None:
        """Store what checks found, together with what the engine has told since they began."""
        found = {one.identity: one for one in checked}
        with self.writing:
            changed: list[Container] = []
            news: list[AuditEntry] = []
            for now in self.several(found.keys()):
                container = merge(now, found[now.identity])
                if container != now:
                    changed.append(container)
                    news += self._news(now, container)
            self.save(changed)
            self._audit.add(news)

    def _news(self, before: Container, after: Container) -> list[AuditEntry]:
        """A row for a candidate that was not there before."""
        new, old = after.candidate, before.candidate
        if new is None or (old is not None and old.kind == new.kind):
            return []
        versions = {"from_version": after.update.local_value, "to_version": after.update.remote_value}
        return [self._entry(after, "update-available", **versions)]

    def _entry(self, container: Container, action: str, **versions: Any) -> AuditEntry:
        return AuditEntry(
            id=self._clock.new_id(),
            at=self._clock.now(),
            action=action,
            status="info",
            identity=container.identity,
            image=container.image.name,
            **versions,
        )
