"""A tally: how often each thing was done, counted from the rows of the audit log up to a moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from chalicelib.domain.audit import AuditEntry


class Kind(NamedTuple):
    """What rows are told apart by; a row that names no trigger, or has no code, has an empty word there."""

    action: str
    status: str
    trigger: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Tally:
    """Rows by kind; every row up to `until` is counted, and none after it."""

    until: datetime
    counts: Mapping[Kind, int]

    def with_rows(self, rows: Iterable[AuditEntry], until: datetime) -> Tally:
        """This tally carried on to that later moment, by rows of the time between."""
        counts = Counter(self.counts)
        for row in rows:
            if self.until < row.at <= until:
                counts[Kind(row.action, row.status, row.trigger or "", row.code or "")] += 1
        return Tally(until, counts)
