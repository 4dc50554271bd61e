"""Open a session for somebody who has proven who they are, and end it."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.domain.account import Session
from chalicelib.ports.accounts import AccountStore

USUAL = timedelta(days=7)
REMEMBERED = timedelta(days=30)
UNTIL_THE_BROWSER_CLOSES = timedelta(hours=24)


def open_session(
    name: str, session_id: str, now: datetime, fingerprint: str = "", remember: bool | None = None
) -> Session:
    """A session of 7 days, of 30 when it is to be remembered, of a day at most when it is to end with the browser."""
    lasts = USUAL if remember is None else REMEMBERED if remember else UNTIL_THE_BROWSER_CLOSES
    return Session(name, session_id, now + lasts, fingerprint)


def end_session(session: Session, accounts: AccountStore, now: datetime) -> None:
    """Let no copy of its cookie in any more, not even one that was to be remembered for longer than this one."""
    accounts.end_session(session.id, now + REMEMBERED)
