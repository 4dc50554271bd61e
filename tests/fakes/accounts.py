"""Accounts in memory, and passwords without the price of argon2."""

from __future__ import annotations

import secrets

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale


class FakeAccounts:
    """An AccountStore in a dictionary."""

    def __init__(self, *accounts: Account) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._secrets: dict[str, bytes] = {}

    def get(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def put_new(self, account: Account) -> None:
        if account.name in self._accounts:
            raise Stale(f"There is an account named {account.name}.")
        self._accounts[account.name] = account

    def any(self) -> bool:
        return bool(self._accounts)

    def secret(self, name: str) -> bytes:
        return self._secrets.setdefault(name, secrets.token_bytes(32))


class FakePasswords:
    """A hash is the password behind a mark."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password_hash: str, password: str) -> bool:
        return password_hash == f"plain:{password}"

    def reject(self, password: str) -> None:
        pass
