"""Count what was done since this process started, from the audit log that all processes write."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta

from chalicelib.domain.audit import SERVER, AuditEntry
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AgentStore, AuditStore

OVERLAP = timedelta(minutes=2)
"""Rows may arrive late, and clocks of hosts differ: what was read last is read again, and counted once."""
ACTIONS = frozenset(
    {"container-start", "container-stop", "container-restart", "container-update", "container-delete", "rollback"}
)
Tally = Counter[tuple[str, ...]]


class AuditTally:
    """Totals that only grow. Each call reads the rows that are new since the one before."""

    def __init__(self, audit: AuditStore, agents: AgentStore, clock: Clock, since: datetime) -> None:
        self._audit = audit
        self._agents = agents
        self._clock = clock
        self._start = since
        self._read_until = since
        self._recent: dict[str, datetime] = {}
        self._by_action: Tally = Counter()
        self._by_trigger: Tally = Counter()
        self._lock = threading.Lock()

    def totals(self) -> tuple[Tally, Tally]:
        """Rows by (action,), and runs of triggers by (type, name, status)."""
        with self._lock:
            now = self._clock.now()
            since = max(self._start, self._read_until - OVERLAP)
            partitions = [*(agent.name for agent in self._agents.all()), SERVER]
            for entry in self._audit.between(partitions, since, now + OVERLAP):
                if entry.id not in self._recent:
                    self._recent[entry.id] = entry.at
                    self._count(entry)
            self._read_until = now
            self._recent = {name: at for name, at in self._recent.items() if at >= now - 2 * OVERLAP}
            return Counter(self._by_action), Counter(self._by_trigger)

    def _count(self, entry: AuditEntry) -> None:
        self._by_action[(entry.action,)] += 1
        if entry.trigger:
            kind, _, name = entry.trigger.rpartition(".")
            self._by_trigger[(kind.rpartition(".")[2], name, entry.status)] += 1
