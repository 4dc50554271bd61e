"""Query strings of list requests, parsed as the contract wants: numbers leniently, words strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from chalicelib.domain.audit import AuditQuery
from chalicelib.domain.errors import Invalid
from chalicelib.domain.query import KINDS, MATURITIES, MAX_LIMIT, ORDERS, SORTS, STATUSES, ContainerQuery
from chalicelib.wire import moment

Query = Mapping[str, Sequence[str]]

AUDIT_LIMIT = 50
_OTHER = re.compile(r"[^A-Za-z0-9._-]")
_LEADING = re.compile(r"\s*([+-]?)(\d{1,15})", re.ASCII)


def containers(query: Query) -> ContainerQuery:
    """What a list of containers is asked for. Raises Invalid for a word that is not in its list."""
    limit, offset = paging(query)
    return ContainerQuery(
        limit=limit,
        offset=offset,
        sort=word(query, "sort", SORTS),
        order=word(query, "order", ORDERS),
        status=word(query, "status", STATUSES),
        kind=word(query, "kind", KINDS),
        watcher=_watcher(query),
        maturity=word(query, "maturity", MATURITIES),
        include_vulnerabilities=flag(query, "includeVulnerabilities", default=False),
    )


def paging(query: Query) -> tuple[int, int]:
    """The effective limit (0 to 200, 0 is unbounded) and offset; what is no number counts as 0."""
    return number(query, "limit", 0, MAX_LIMIT), number(query, "offset", 0, None)


def audit(query: Query) -> tuple[AuditQuery, int, int]:
    """Which audit rows are asked for, and the effective limit (1 to 200) and offset.

    Raises Invalid for an action or a name with other characters than letters, digits, dots, dashes and underscores.
    """
    limit = max(number(query, "limit", AUDIT_LIMIT, MAX_LIMIT), 1)
    since, until = first(query, "from"), first(query, "to")
    asked = AuditQuery(
        actions=frozenset(_plain_words(query, "action", "actions")),
        container=next(iter(_plain_words(query, "container")), None),
        since=_moment(since),
        until=_moment(until),
        never=any(text and _moment(text) is None for text in (since, until)),
    )
    return asked, limit, number(query, "offset", 0, None)


def number(query: Query, name: str, default: int, high: int | None) -> int:
    """The number a value begins with, not below 0 and not above `high`; the default when it begins with none."""
    found = _LEADING.match(first(query, name) or "")
    if found is None:
        return default
    value = 0 if found[1] == "-" else int(found[2])
    return value if high is None else min(value, high)


def flag(query: Query, name: str, *, default: bool) -> bool:
    """Exactly `true` or `false`; everything else is the default."""
    return {"true": True, "false": False}.get(first(query, name) or "", default)


def word(query: Query, name: str, allowed: Sequence[str]) -> str | None:
    """One of the allowed words, case-sensitive, spaces around it dropped. Raises Invalid."""
    value = first(query, name)
    if value is None:
        return None
    if value.strip() not in allowed:
        raise Invalid(f"{name} must be one of: {', '.join(allowed)}")
    return value.strip()


def first(query: Query, name: str) -> str | None:
    """The first value of a repeated key."""
    values = query.get(name)
    return values[0] if values else None


def _plain_words(query: Query, *names: str) -> list[str]:
    """The words of these parameters, commas between them. Raises Invalid."""
    found = []
    for name in names:
        words = [word.strip() for word in (first(query, name) or "").split(",")]
        if any(_OTHER.search(word) for word in words):
            raise Invalid(f"{name} may have letters, digits, dots, dashes and underscores only")
        found += [word for word in words if word]
    return found


def _moment(text: str | None) -> datetime | None:
    try:
        return moment.read_optional(text)
    except (ValueError, OverflowError):
        return None


def _watcher(query: Query) -> str | None:
    value = first(query, "watcher")
    if value is None:
        return None
    if not value.strip():
        raise Invalid("watcher must name a watcher")
    return value.strip()
