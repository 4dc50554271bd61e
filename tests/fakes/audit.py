"""The audit log in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.audit import AuditEntry


class FakeAudit:
    """An AuditStore in a list."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def add(self, entries: Sequence[AuditEntry]) -> None:
        known = {entry.id for entry in self.entries}
        self.entries += [entry for entry in entries if entry.id not in known]

    def newest(self, agents: Sequence[str], limit: int) -> list[AuditEntry]:
        return self._sorted(agents)[:limit]

    def between(self, agents: Sequence[str], since: datetime, until: datetime) -> list[AuditEntry]:
        return [entry for entry in self._sorted(agents) if since <= entry.at <= until]

    def _sorted(self, agents: Sequence[str]) -> list[AuditEntry]:
        found = [entry for entry in self.entries if entry.identity.agent in agents]
        return sorted(found, key=lambda entry: (entry.at, entry.id), reverse=True)
