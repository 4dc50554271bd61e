"""What was done, to which container, by what, and how it went."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.domain.container import Identity
from chalicelib.domain.operation import Operation

RETENTION = timedelta(days=30)
SERVER = "@server"
"""The agent of rows that are about no container: no agent can have this name."""

ACTIONS = frozenset(
    {"container-start", "container-stop", "container-restart", "container-update", "container-delete", "rollback"}
)
"""What is done to containers."""
ROLLBACKS = frozenset({"rollback", "auto-rollback"})
LOG_IN = "auth-login"
BASIC = "basic"
ACCOUNT_LOCKED, ADDRESS_LOCKED = "account-locked", "address-locked"
"""Codes of rows about logging in: by which way, or what was locked."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row: `status` is success, error or info; `action` one of the words of the contract's audit table."""

    id: str
    at: datetime
    action: str
    status: str
    identity: Identity
    image: str | None = None
    from_version: str | None = None
    to_version: str | None = None
    trigger: str | None = None
    details: str | None = None
    code: str | None = None
    """A word for programs: what a rollback was for, which way somebody logged in, what was locked."""


def about(
    operation: Operation, action: str, status: str, details: str | None, *, at: datetime, row: str = ""
) -> AuditEntry:
    """A row about an operation: written again it is the same one, by `row` or else its action."""
    return AuditEntry(
        id=f"{operation.id}:{row or action}",
        at=at,
        action=action,
        status=status,
        identity=operation.identity,
        from_version=operation.from_version,
        to_version=operation.to_version,
        trigger=operation.trigger,
        details=details,
    )


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """Which rows: no `actions` means every action; a bound that is `never` lets nothing through."""

    actions: Set[str] = field(default_factory=frozenset)
    container: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    never: bool = False

    def period(self, now: datetime) -> tuple[datetime, datetime]:
        """From when to when rows are wanted, both included; what is past its retention is gone, deleted or not."""
        oldest = now - RETENTION
        newest = now + timedelta(days=1)
        return max(self.since or oldest, oldest), min(self.until or newest, newest)

    def matches(self, entry: AuditEntry) -> bool:
        """Whether a row of the period is wanted."""
        if self.actions and entry.action not in self.actions:
            return False
        return self.container is None or entry.identity.name == self.container
