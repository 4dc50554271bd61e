"""How a candidate stands, offered or held back, and how old it is: computed when read, so that time alone lifts it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.container import Candidate
from chalicelib.domain.policy import DEFAULT_MIN_AGE_DAYS, Policy

_MINUTE = timedelta(minutes=1)
_MATURE = timedelta(days=1)
_ESTABLISHED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Standing:
    """A candidate at one moment: what suppresses it, or since when it is old and how settled that makes it."""

    update_available: bool = False
    suppressed_by: str | None = None
    since: datetime | None = None
    age: timedelta | None = None
    maturity: str | None = None


NO_CANDIDATE = Standing()


def clock_start(candidate: Candidate, now: datetime) -> datetime:
    """When the candidate's clock started: first seen, or its trusted publication when that was earlier."""
    published = candidate.published_at
    if published is not None and published <= now:
        return min(candidate.detected_at, published)
    return candidate.detected_at


def age(candidate: Candidate, now: datetime) -> timedelta:
    """Time since then, never negative. Whole minutes, so that an unchanged fleet reads the same twice."""
    return max((now - clock_start(candidate, now)) // _MINUTE, 0) * _MINUTE


def suppression(candidate: Candidate, policy: Policy, now: datetime) -> str | None:
    """Why it is held back: `snoozed`, `immature`, `skipped-tag` or `skipped-digest`; None when it is offered."""
    if policy.snooze_until is not None and policy.snooze_until > now:
        return "snoozed"
    if policy.maturity_mode == "mature":
        days = policy.maturity_min_age_days or DEFAULT_MIN_AGE_DAYS
        if now - clock_start(candidate, now) < timedelta(days=days):
            return "immature"
    if candidate.kind.kind == "tag" and candidate.kind.remote_value in (policy.skip_tags or ()):
        return "skipped-tag"
    if candidate.kind.kind == "digest" and candidate.kind.remote_value in (policy.skip_digests or ()):
        return "skipped-digest"
    return None


def maturity(since: timedelta) -> str:
    """`hot` under a day, `mature` up to seven days, `established` beyond."""
    if since < _MATURE:
        return "hot"
    return "mature" if since <= _ESTABLISHED else "established"


def standing(candidate: Candidate | None, policy: Policy, now: datetime) -> Standing:
    """How the candidate stands now under that policy."""
    if candidate is None:
        return NO_CANDIDATE
    held = suppression(candidate, policy, now)
    if held is not None:
        return Standing(suppressed_by=held)
    old = age(candidate, now)
    return Standing(True, None, clock_start(candidate, now), old, maturity(old))
