"""Count what was done, from the audit log that all processes write; the count is kept in the store for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from chalicelib.domain.audit import RETENTION, SERVER
from chalicelib.domain.errors import Stale
from chalicelib.domain.tally import Kind, Tally
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AgentStore, AuditStore, TallyStore

OVERLAP = timedelta(minutes=5)
"""Rows may arrive late, and clocks of hosts differ: what is younger is counted anew each time, not kept."""
STEP = timedelta(minutes=1)
"""The kept count is carried on at most this often."""


class AuditTally:
    """Totals that only grow and are the same whoever is asked. Each call reads the rows since the kept count."""

    def __init__(self, audit: AuditStore, agents: AgentStore, tallies: TallyStore, clock: Clock) -> None:
        self._audit = audit
        self._agents = agents
        self._tallies = tallies
        self._clock = clock

    def totals(self) -> Mapping[Kind, int]:
        """Rows by kind, ever since the log began."""
        now = self._clock.now()
        kept, revision = self._tallies.get()
        known = kept or Tally(now - RETENTION, {})
        partitions = [*(agent.name for agent in self._agents.all()), SERVER]
        rows = self._audit.between(partitions, known.until, now + OVERLAP)
        settled = now - OVERLAP
        if settled - known.until >= STEP:
            # Stale: another instance has just counted the same rows.
            with suppress(Stale):
                self._tallies.put(known.with_rows(rows, settled), revision)
        return known.with_rows(rows, now + OVERLAP).counts
