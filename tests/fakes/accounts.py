"""Accounts, tokens and failed log-ins in memory, and passwords without the price of argon2."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.domain.lockout import LockoutRule
from chalicelib.domain.token import Token


class FakeAccounts:
    """An AccountStore in a dictionary."""

    def __init__(self, *accounts: Account) -> None:
        self._accounts = {account.name: account for account in accounts}
        self._secrets: dict[str, bytes] = {}
        self._ended: set[str] = set()

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

    def end_session(self, session_id: str, until: datetime) -> None:
        self._ended.add(session_id)

    def session_ended(self, session_id: str) -> bool:
        return session_id in self._ended


class FakePasswords:
    """A hash is the password behind a mark."""

    def hash(self, password: str) -> str:
        return f"plain:{password}"

    def verify(self, password_hash: str, password: str) -> bool:
        return password_hash == f"plain:{password}"

    def reject(self, password: str) -> None:
        pass


class FakeTokens:
    """A TokenStore in a dictionary."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}

    def add(self, token: Token) -> None:
        self._tokens[token.digest] = token

    def get(self, digest: str) -> Token | None:
        return self._tokens.get(digest)

    def all(self) -> list[Token]:
        return sorted(self._tokens.values(), key=lambda token: (token.created_at, token.digest), reverse=True)

    def remove(self, token_id: str) -> Token | None:
        found = next((token for token in self._tokens.values() if token.id == token_id), None)
        return self._tokens.pop(found.digest) if found else None

    def touch(self, token: Token, at: datetime) -> None:
        if token.digest in self._tokens:
            self._tokens[token.digest] = replace(token, last_used_at=at)


class FakeAttempts:
    """Attempts in a dictionary: failures, when they are forgotten, and until when they lock."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, datetime, datetime | None]] = {}

    def locked_until(self, subjects: Sequence[str], now: datetime, max_age: float = 0.0) -> datetime | None:
        locks = [self._failures[subject][2] for subject in subjects if subject in self._failures]
        return max((until for until in locks if until is not None and until > now), default=None)

    def fail(self, subject: str, rule: LockoutRule, now: datetime) -> datetime | None:
        count, forgotten, _ = self._failures.get(subject, (0, now, None))
        count = count + 1 if forgotten > now else 1
        until = now + rule.duration if count >= rule.most else None
        self._failures[subject] = (count, until or now + rule.window, until)
        return until

    def clear(self, subject: str) -> None:
        self._failures.pop(subject, None)
