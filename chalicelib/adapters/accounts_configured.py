"""Accounts that settings declare, in front of those in the store, which are read at most once a minute each."""

from __future__ import annotations

import time
from collections.abc import Iterable

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.ports.accounts import AccountStore

REMEMBERED_SECONDS = 60.0


class ConfiguredAccounts:
    """An AccountStore over another one; a declared name wins and cannot be taken."""

    def __init__(self, declared: Iterable[Account], store: AccountStore) -> None:
        self._declared = {account.name: account for account in declared}
        self._store = store
        self._read: dict[str, tuple[float, Account]] = {}

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
