"""Leave a row in the audit log for everybody who tried to log in."""

from __future__ import annotations

from chalicelib.domain.audit import SERVER, AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore

SUBJECT = Identity(SERVER, "-", "authentication")
_LONGEST_NAME = 64


def note_log_in(audit: AuditStore, clock: Clock, *, name: str, succeeded: bool) -> None:
    """Who it was, and whether they were let in. A name that lets nobody in is cut short: it may be anything."""
    entry = AuditEntry(
        id=clock.new_id(),
        at=clock.now(),
        action="auth-login",
        status="success" if succeeded else "error",
        identity=SUBJECT,
        details=f"user {name[:_LONGEST_NAME]!r}",
    )
    audit.add([entry])
