"""Leave a row in the audit log for everybody who tried to log in, and for every door that was shut on guessers."""

from __future__ import annotations

from chalicelib.domain.audit import BASIC, LOG_IN, SERVER, AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore

SUBJECT = Identity(SERVER, "-", "authentication")
_LONGEST_NAME = 64


def note_log_in(audit: AuditStore, clock: Clock, *, name: str, succeeded: bool, way: str = BASIC) -> None:
    """Who it was, by which way, and whether they were let in. A name that lets nobody in may be anything: it is cut."""
    _note(audit, clock, "success" if succeeded else "error", f"user {name[:_LONGEST_NAME]!r}", way)


def note_lock(audit: AuditStore, clock: Clock, what: str) -> None:
    """An account, or an address, that has just been locked after too many wrong passwords."""
    _note(audit, clock, "error", f"{what.replace('-', ' ')} after too many wrong passwords", what)


def _note(audit: AuditStore, clock: Clock, status: str, details: str, code: str) -> None:
    audit.add([AuditEntry(clock.new_id(), clock.now(), LOG_IN, status, SUBJECT, details=details, code=code)])
