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
    listings = [entry.listing for entry in fleet.entries]
    running = sum(1 for listing in listings if listing.status == "running")
    standings = [entry.standing(now) for entry in fleet.entries if entry.listing.candidate is not None]
    return Summary(
        total=len(listings),
        running=running,
        stopped=len(listings) - running,
        updates_available=sum(1 for one in standings if one.update_available),
        security_issues=sum(1 for listing in listings if listing.severe),
        hot=sum(1 for one in standings if one.maturity == "hot"),
        mature=sum(1 for one in standings if one.maturity == "mature"),
    )
