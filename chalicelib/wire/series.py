"""The counters of `/metrics` that are made from the tally of the audit log, under the names of the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from chalicelib.domain.audit import ACCOUNT_LOCKED, ACTIONS, ADDRESS_LOCKED, BASIC, LOG_IN, ROLLBACKS
from chalicelib.domain.tally import Kind

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, str, list[tuple[dict[str, str], int]]]
"""Name, what it tells, and values by labels."""


_UNREASONED = {"rollback": "manual", "auto-rollback": "unhealthy"}
"""Why a rollback was made that names no reason: somebody asked for it, or the container fell ill after its update."""


def counters(tally: Mapping[Kind, int]) -> Iterator[Series]:
    """Every counter, those without a value included."""
    for name, (described, labels_of) in _COUNTERS.items():
        found: Counter[Labels] = Counter({(): 0} if name in _WITHOUT_LABELS else ())
        for kind, count in tally.items():
            labels = labels_of(kind)
            if labels is not None:
                found[labels] += count
        yield name, described, [(dict(labels), count) for labels, count in sorted(found.items())]


def _action(kind: Kind) -> Labels:
    return (("action", kind.action),)


def _trigger(kind: Kind) -> Labels:
    before, _, name = kind.trigger.rpartition(".")
    return (("type", before.rpartition(".")[2]), ("name", name))


def _rollback(kind: Kind) -> Labels | None:
    if kind.action not in ROLLBACKS:
        return None
    return (*_trigger(kind), ("outcome", kind.status), ("reason", kind.code or _UNREASONED[kind.action]))


def _log_in(kind: Kind) -> Labels | None:
    if kind.action != LOG_IN or kind.code in (ACCOUNT_LOCKED, ADDRESS_LOCKED):
        return None
    return (("outcome", kind.status), ("provider", kind.code or BASIC))


def _lock(code: str) -> Callable[[Kind], Labels | None]:
    return lambda kind: () if kind.action == LOG_IN and kind.code == code else None


_COUNTERS: dict[str, tuple[str, Callable[[Kind], Labels | None]]] = {
    "dd_audit_entries_total": ("Rows of the audit log, by action", _action),
    "dd_container_actions_total": (
        "What was done to containers, by action",
        lambda kind: _action(kind) if kind.action in ACTIONS else None,
    ),
    "dd_trigger_count": (
        "Runs of triggers, by how they ended",
        lambda kind: (*_trigger(kind), ("status", kind.status)) if kind.trigger else None,
    ),
    "dd_webhook_total": (
        "What webhooks asked for, by action",
        lambda kind: _action(kind) if kind.action.startswith("webhook-") else None,
    ),
    "dd_trigger_rollback_total": ("Rollbacks, by trigger, how they ended and why", _rollback),
    "dd_auth_login_total": ("Attempts to log in, by how they ended and which way they took", _log_in),
    "dd_auth_account_locked_total": ("Accounts locked after too many wrong passwords", _lock(ACCOUNT_LOCKED)),
    "dd_auth_ip_locked_total": ("Addresses locked out after too many wrong passwords", _lock(ADDRESS_LOCKED)),
}
_WITHOUT_LABELS = frozenset({"dd_auth_account_locked_total", "dd_auth_ip_locked_total"})
"""One value each, which is 0 at first."""
