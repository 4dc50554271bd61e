"""What holds a candidate back, and how old a candidate is: computed when read, so that time alone can lift it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.container import Candidate

DEFAULT_MIN_AGE_DAYS = 7
_DAY = timedelta(days=1)
_MATURE = timedelta(days=1)
_ESTABLISHED = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Policy:
    """One container's update policy; every member absent means nothing is held back."""

    skip_tags: tuple[str, ...] = ()
    skip_digests: tuple[str, ...] = ()
    snooze_until: datetime | None = None
    maturity_mode: str | None = None
    maturity_min_age_days: int | None = None

    @property
    def empty(self) -> bool:
        """Whether it asks for nothing."""
        return self == NO_POLICY


NO_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a candidate stands at one moment: offered or held back, its age in whole minutes, and how settled it is."""

    update_available: bool = False
    suppressed_by: str | None = None
    age: timedelta | None = None
    maturity: str | None = None


NO_CANDIDATE = Standing()


def age(candidate: Candidate, now: datetime) -> timedelta:
    """Time since the candidate was first seen, or since its trusted publication when that was earlier; never negative.

    Whole minutes, so that an unchanged fleet reads the same twice.
    """
    since = candidate.detected_at
    if candidate.published_at is not None and candidate.published_at <= now:
        since = min(since, candidate.published_at)
    return timedelta(minutes=max((now - since) // timedelta(minutes=1), 0))


def suppression(candidate: Candidate, policy: Policy, now: datetime) -> str | None:
    """Why it is held back: `snoozed`, `immature`, `skipped-tag` or `skipped-digest`; None when it is offered."""
    if policy.snooze_until is not None and policy.snooze_until > now:
        return "snoozed"
    if policy.maturity_mode == "mature":
        days = policy.maturity_min_age_days or DEFAULT_MIN_AGE_DAYS
        if age(candidate, now) < days * _DAY:
            return "immature"
    if candidate.kind.kind == "tag" and candidate.kind.remote_value in policy.skip_tags:
        return "skipped-tag"
    if candidate.kind.kind == "digest" and candidate.kind.remote_value in policy.skip_digests:
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
    since = age(candidate, now)
    return Standing(update_available=True, age=since, maturity=maturity(since))
