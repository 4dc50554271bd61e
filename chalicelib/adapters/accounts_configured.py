"""Accounts that settings declare, in front of those in the store; these, and whether a session was ended, are read at
most once a minute each."""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.ports.accounts import AccountStore

REMEMBERED_SECONDS = 60.0
MOST_SESSIONS = 10_000


class ConfiguredAccounts:
    """An AccountStore over another one; a declared name wins and cannot be taken."""

    def __init__(self, declared: Iterable[Account], store: AccountStore) -> None:
        self._declared = {account.name: account for account in declared}
        self._store = store
        self._read: dict[str, tuple[float, Account]] = {}
        self._open: dict[str, float] = {}

    def get(self, name: str) -> Account | None:
        """The account of that name. Only accounts that exist are remembered, so guessed names fill no memory."""
        if name in self._declared:
            return self._declared[name]
        until, known = self._read.get(name, (0.0, None))
        if known is not None and until > time.monotonic():
            return known
        account = self._store.get(name)
        if account is None:
            self._read.pop(name, None)
        else:
            self._read[name] = (time.monotonic() + REMEMBERED_SECONDS, account)
        return account

    def put_new(self, account: Account) -> None:
        """Add an account to the store; raises Stale when the name is taken."""
        if account.name in self._declared:
            raise Stale(f"The settings declare an account named {account.name}.")
        self._store.put_new(account)

    def any(self) -> bool:
        """Whether there is any account, declared or stored."""
        return bool(self._declared) or self._store.any()

    def secret(self, name: str) -> bytes:
        """The store's secret of that name."""
        return self._store.secret(name)

    def end_session(self, session_id: str, until: datetime) -> None:
        """Let that session in no more, here at once."""
        self._store.end_session(session_id, until)
        self._open.pop(session_id, None)

    def session_ended(self, session_id: str) -> bool:
        """Whether that session was ended. Only sessions that we signed are asked about, so guesses fill no memory."""
        if self._open.get(session_id, 0.0) > time.monotonic():
            return False
        ended = self._store.session_ended(session_id)
        if not ended:
            if len(self._open) >= MOST_SESSIONS:
                self._open.clear()
            self._open[session_id] = time.monotonic() + REMEMBERED_SECONDS
        return ended
