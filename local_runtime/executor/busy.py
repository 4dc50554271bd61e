"""Which containers are being changed right now, so that nobody writes about them what is no longer true."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.labels import COMPOSE_PROJECT


class Busy:
    """One lock per identity, and a count of how often each has been changed."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._locks: dict[Identity, threading.RLock] = {}
        self._held: dict[Identity, int] = {}
        self._changes: dict[Identity, int] = {}

    @contextmanager
    def hold(self, identity: Identity) -> Iterator[None]:
        """Change this container alone; whoever else wants to waits."""
        with self._guard:
            lock = self._locks.setdefault(identity, threading.RLock())
        with lock:
            with self._guard:
                self._held[identity] = self._held.get(identity, 0) + 1
            try:
                yield
            finally:
                with self._guard:
                    self._held[identity] -= 1
                    self._changes[identity] = self._changes.get(identity, 0) + 1

    def hold_project(
        self, identity: Identity, trigger: str | None, find: Callable[[Identity], Container | None]
    ) -> AbstractContextManager[None]:
        """Containers of one compose project are changed one after the other by compose triggers.

        No container has the name that is held, and it is always taken after a container's own, so nobody waits in a
        circle.
        """
        container = find(identity) if (trigger or "").startswith("dockercompose.") else None
        project = container.labels.get(COMPOSE_PROJECT) if container is not None else None
        return self.hold(replace(identity, name=f"compose:{project}")) if project else nullcontext()

    def held(self, identity: Identity) -> bool:
        """Whether it is being changed."""
        with self._guard:
            return self._held.get(identity, 0) > 0

    def others(self, identity: Identity) -> bool:
        """Whether any other container is being changed."""
        with self._guard:
            return any(count > 0 for one, count in self._held.items() if one != identity)

    def changes(self) -> dict[Identity, int]:
        """How often each container has been changed so far."""
        with self._guard:
            return dict(self._changes)

    def unchanged(self, identity: Identity, before: dict[Identity, int]) -> bool:
        """Whether what was seen of it at the time of `before` still holds."""
        with self._guard:
            if self._held.get(identity, 0) > 0:
                return False
            return self._changes.get(identity, 0) == before.get(identity, 0)
