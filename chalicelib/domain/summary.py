"""Counts of a fleet and of what needs a look, for dashboards."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Summary:
    """How many there are; `stopped` is every one that does not run; `hot` and `mature` split updates by age."""

    total: int
    running: int
    stopped: int
    updates_available: int
    security_issues: int
    hot: int
    mature: int


def summarise(fleet: Fleet, now: datetime) -> Summary:
    """The counts of this moment."""
    standings = [entry.standing(now) for entry in fleet.offers]
    return Summary(
        total=len(fleet.entries),
        running=fleet.running,
        stopped=len(fleet.entries) - fleet.running,
        updates_available=sum(one.update_available for one in standings),
        security_issues=fleet.severe,
        hot=sum(one.maturity == "hot" for one in standings),
        mature=sum(one.maturity == "mature" for one in standings),
    )
