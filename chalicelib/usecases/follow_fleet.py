"""Follow the fleet: look at the store while somebody listens, keep the news for a while, hand them to everybody."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from chalicelib.domain import news as rules
from chalicelib.domain.agent import Agent
from chalicelib.domain.errors import TooMany
from chalicelib.domain.fleet import Fleet
from chalicelib.domain.news import Numbered
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AgentStore, FleetReader, OperationStore

LOOK_SECONDS = 1.0
KEPT_SECONDS = 300.0
KEPT_MOST = 500
PER_CLIENT = 10
IN_TOTAL = 500
EVICTED, OTHER_BOOT = "buffer-evicted", "boot-mismatch"


class Feed:
    """One per process. No thread of its own: of all who wait for news, one looks at the store once a second."""

    def __init__(self, fleet: FleetReader, agents: AgentStore, operations: OperationStore, clock: Clock) -> None:
        self.boot = clock.new_id()
        self._reader = fleet
        self._agents = agents
        self._operations = operations
        self._clock = clock
        self._looking = threading.Lock()
        self._changed = threading.Condition()
        self._kept: deque[Numbered] = deque(maxlen=KEPT_MOST)
        self._number = 0
        self._fleet = Fleet()
        self._known: Sequence[Agent] = ()
        self._connections: dict[str, bool] = {}
        self._looked_at: float | None = None
        self._listeners: Counter[str] = Counter()

    def admit(self, client: str) -> None:
        """Raise TooMany when this client, or all together, listen too often already, Unavailable without the store."""
        with self._changed:
            if self._listeners[client] >= PER_CLIENT or self._listeners.total() >= IN_TOTAL:
                raise TooMany("Too many event streams are open. Close one first.", 15)
        self._settle()

    @contextmanager
    def listening(self, client: str) -> Iterator[None]:
        """Count a listener."""
        with self._changed:
            self._listeners[client] += 1
        try:
            yield
        finally:
            with self._changed:
                self._listeners[client] -= 1
                self._listeners += Counter()

    def begin(self, last_id: str | None) -> tuple[int, str | None]:
        """Where a listener goes on who has seen the event of that id, and why it must read everything again, if so."""
        with self._changed:
            if not last_id:
                return self._number, None
            boot, _, text = last_id.rpartition(":")
            number = int(text) if text.isascii() and text.isdigit() and len(text) < 16 else -1
            if boot != self.boot or not 0 <= number <= self._number:
                return self._number, OTHER_BOOT
            self._forget()
            oldest = self._kept[0].number if self._kept else self._number + 1
            return (number, None) if number >= oldest - 1 else (self._number, EVICTED)

    def after(self, number: int, patience: float) -> list[Numbered]:
        """The news after that one; waits so many seconds for some. Raises Unavailable."""
        deadline = time.monotonic() + patience
        leads = self._looking.acquire(blocking=False)
        try:
            while True:
                if leads:
                    self._look_if_due()
                with self._changed:
                    found = [one for one in self._kept if one.number > number]
                    left = deadline - time.monotonic()
                    if found or left <= 0:
                        return found
                    self._changed.wait(min(LOOK_SECONDS, left) if leads else left)
        finally:
            if leads:
                self._looking.release()

    def _settle(self) -> None:
        """When nobody has looked for a while, what happened meanwhile is no news to anybody."""
        if not self._stale():
            return
        with self._looking:
            if self._stale():
                fleet, agents = self._read()
                with self._changed:
                    self._kept.clear()
                    self._number += 1
                self._remember(fleet, agents)
                self._looked_at = time.monotonic()

    def _stale(self) -> bool:
        return self._looked_at is None or time.monotonic() - self._looked_at > KEPT_SECONDS

    def _look_if_due(self) -> None:
        now = time.monotonic()
        if self._looked_at is not None and now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        fleet, agents = self._read()
        found = rules.of_agents(self._connections, rules.connections(agents, self._clock.now()))
        found += rules.of_progress(self._known, agents) + rules.of_scans(self._known, agents)
        found += rules.of_containers(self._fleet, fleet) + rules.of_counts(self._fleet, fleet)
        going_on, over = rules.of_operations(self._fleet, fleet, rules.own_containers((*self._known, *agents)))
        found += going_on
        for operation in over:
            ended = self._operations.get(operation.identity, operation.id)
            if ended is not None:
                found += rules.of_end(ended)
        self._remember(fleet, agents)
        if found:
            with self._changed:
                self._forget()
                for one in found:
                    self._number += 1
                    self._kept.append(Numbered(self._number, now, one))
                self._changed.notify_all()

    def _read(self) -> tuple[Fleet, Sequence[Agent]]:
        # The agents first: what they tell of a container is told with what its record shows by then, or before it.
        agents = self._agents.all()
        return self._reader.fleet(), agents

    def _remember(self, fleet: Fleet, agents: Sequence[Agent]) -> None:
        self._fleet, self._known = fleet, agents
        self._connections = rules.connections(agents, self._clock.now())

    def _forget(self) -> None:
        oldest = time.monotonic() - KEPT_SECONDS
        while self._kept and self._kept[0].at < oldest:
            self._kept.popleft()
