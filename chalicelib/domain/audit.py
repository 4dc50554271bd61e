"""What was done, to which container, by what, and how it went."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.container import Identity

RETENTION = timedelta(days=30)


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
