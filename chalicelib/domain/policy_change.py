"""The eight ways to change a container's update policy: a pure function from one override to the next."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from chalicelib.domain.container import UpdateKind
from chalicelib.domain.errors import Invalid
from chalicelib.domain.policy import DEFAULT_MIN_AGE_DAYS, LONGEST_DAYS, MODES, NO_POLICY, Layers, Policy, PolicyRequest

DEFAULT_SNOOZE_DAYS = 7

_LISTS = {"tag": "skip_tags", "digest": "skip_digests"}


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a change may look at besides the override itself."""

    layers: Layers
    update: UpdateKind
    now: datetime

    @property
    def override(self) -> Policy:
        return self.layers.override


def change(layers: Layers, request: PolicyRequest, update: UpdateKind, now: datetime) -> Policy:
    """The override after the request. `update` is how the container differs now, held back or not.

    Raises Invalid, saying what is allowed, for an unknown action or a value that does not suit it.
    """
    if request.action is None or request.action == "":
        raise Invalid(f"`action` is missing; it must be one of: {', '.join(ACTIONS)}.")
    action = ACTIONS.get(request.action) if isinstance(request.action, str) else None
    if action is None:
        raise Invalid(f"`action` must be one of: {', '.join(ACTIONS)}; {str(request.action)[:60]!r} is none of them.")
    return action(_Subject(layers, update, now), request)


def _skip_current(subject: _Subject, _request: PolicyRequest) -> Policy:
    member, value = _LISTS.get(subject.update.kind), subject.update.remote_value
    if member is None or not value:
        raise Invalid("There is nothing to skip: no newer tag or digest is known for this container.")
    return _with_list(subject, member, (*_listed(subject, member), value))


def _remove_skip(subject: _Subject, request: PolicyRequest) -> Policy:
    member = _LISTS.get(request.kind) if isinstance(request.kind, str) else None
    if member is None:
        raise Invalid("`kind` must be one of: tag, digest.")
    value = request.value.strip() if isinstance(request.value, str) else ""
    if not value:
        raise Invalid("`value` must be the tag or digest to allow again.")
    return _with_list(subject, member, tuple(one for one in _listed(subject, member) if one != value))


def _clear_skips(subject: _Subject, _request: PolicyRequest) -> Policy:
    return replace(subject.override, skip_tags=None, skip_digests=None)


def _snooze(subject: _Subject, request: PolicyRequest) -> Policy:
    given = request.snooze_until
    absent = given is None or given == "" or given is False or given == 0
    until = subject.now + timedelta(days=_days(request.days)) if absent else _moment(given)
    return replace(subject.override, snooze_until=_whole_milliseconds(until))


def _unsnooze(subject: _Subject, _request: PolicyRequest) -> Policy:
    return replace(subject.override, snooze_until=None)


def _clear(_subject: _Subject, _request: PolicyRequest) -> Policy:
    return NO_POLICY


def _set_maturity(subject: _Subject, request: PolicyRequest) -> Policy:
    mode = request.mode.strip().lower() if isinstance(request.mode, str) else None
    if mode not in MODES:
        raise Invalid(f"`mode` must be one of: {', '.join(MODES)}.")
    if request.min_age_days is ...:
        days = subject.layers.effective.maturity_min_age_days or DEFAULT_MIN_AGE_DAYS
    else:
        days = _min_age_days(request.min_age_days)
    return replace(subject.override, maturity_mode=mode, maturity_min_age_days=days)


def _clear_maturity(subject: _Subject, _request: PolicyRequest) -> Policy:
    return replace(subject.override, maturity_mode=None, maturity_min_age_days=None)


ACTIONS: dict[str, Callable[[_Subject, PolicyRequest], Policy]] = {
    "skip-current": _skip_current,
    "remove-skip": _remove_skip,
    "clear-skips": _clear_skips,
    "snooze": _snooze,
    "unsnooze": _unsnooze,
    "clear": _clear,
    "set-maturity-policy": _set_maturity,
    "clear-maturity-policy": _clear_maturity,
}
"""By the word of the API."""

SETTING = frozenset({"skip-current", "snooze", "set-maturity-policy"})
"""The actions that ask for something; the others take something back."""


def _listed(subject: _Subject, member: str) -> tuple[str, ...]:
    """What is skipped now, whichever layer says so: a list is replaced as a whole, so a change starts from it."""
    return getattr(subject.layers.effective, member) or ()


def _with_list(subject: _Subject, member: str, values: tuple[str, ...]) -> Policy:
    """The override with that list, without doubles; the list is gone when it says no more than the layers below."""
    listed = tuple(dict.fromkeys(values))
    below: tuple[str, ...] = getattr(subject.layers.declared, member) or ()
    return replace(subject.override, **{member: None if listed == below else listed})  # type: ignore[arg-type]


def _days(value: object) -> float:
    """How long to snooze: a number, or text that is one."""
    number = float(DEFAULT_SNOOZE_DAYS) if value is None else _number(value)
    if number is None or not 0 < number <= LONGEST_DAYS:
        raise Invalid(f"`days` must be a number above 0 and at most {LONGEST_DAYS}.")
    return number


def _min_age_days(value: object) -> int:
    number = _number(value)
    if number is None or number != int(number) or not 1 <= number <= LONGEST_DAYS:
        raise Invalid(f"`minAgeDays` must be a whole number from 1 to {LONGEST_DAYS}.")
    return int(number)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _moment(value: object) -> datetime:
    """ISO 8601, or the form dates have in mail; without a zone it is UTC. The past is allowed."""
    if isinstance(value, str):
        for read in (datetime.fromisoformat, parsedate_to_datetime):
            try:
                moment = read(value.strip())
                return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
            except (ValueError, OverflowError, TypeError, IndexError):
                continue
    raise Invalid("`snoozeUntil` must be a date, such as 2026-03-18T19:18:38Z.")


def _whole_milliseconds(moment: datetime) -> datetime:
    """As precise as it is stored."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
