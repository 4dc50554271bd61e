"""Open a session for somebody whose password was right."""

from __future__ import annotations

from datetime import datetime, timedelta

from chalicelib.domain.account import Account, Session

USUAL = timedelta(days=7)
REMEMBERED = timedelta(days=30)
UNTIL_THE_BROWSER_CLOSES = timedelta(hours=24)


def open_session(account: Account, *, session_id: str, now: datetime, remember: bool | None = None) -> Session:
    """A session of 7 days, of 30 when it is to be remembered, of a day at most when it is to end with the browser."""
    lasts = USUAL if remember is None else REMEMBERED if remember else UNTIL_THE_BROWSER_CLOSES
    return Session(account.name, session_id, now + lasts, account.fingerprint)
