"""Where accounts and tokens are kept, how passwords are checked and how sessions are written down."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from chalicelib.domain.account import Account, Session
from chalicelib.domain.token import Token


class AccountStore(Protocol):
    """Accounts by name, and the secrets every instance must share."""

    def get(self, name: str) -> Account | None:
        """The account of that name, case-sensitive."""
        ...

    def put_new(self, account: Account) -> None:
        """Add an account; raises Stale when the name is taken, and then changes nothing."""
        ...

    def any(self) -> bool:
        """Whether there is any account at all."""
        ...

    def secret(self, name: str) -> bytes:
        """The secret of that name, at least 32 random bytes: made once, the same for every caller from then on."""
        ...

    def end_session(self, session_id: str, until: datetime) -> None:
        """Let that session in no more; `until` is when it would have been over by itself, and may be forgotten."""
        ...

    def session_ended(self, session_id: str) -> bool:
        """Whether that session was ended; one ended elsewhere may seem open for up to a minute more."""
        ...


class Passwords(Protocol):
    """One-way hashes of passwords."""

    def hash(self, password: str) -> str:
        """An argon2id hash in PHC form."""
        ...

    def verify(self, password_hash: str, password: str) -> bool:
        """Whether this is the password; a hash that cannot be read matches none."""
        ...

    def reject(self, password: str) -> None:
        """Take as long as `verify` would: for names that have no account."""
        ...


class Sessions(Protocol):
    """Sessions written into a text only we can have written."""

    def write(self, session: Session) -> str:
        """The signed text, fit for a cookie."""
        ...

    def read(self, text: str, now: datetime) -> Session | None:
        """The session, unless it was tampered with or is over."""
        ...


class TokenStore(Protocol):
    """API tokens, by the SHA-256 of their text."""

    def add(self, token: Token) -> None:
        """Keep a new token."""
        ...

    def get(self, digest: str) -> Token | None:
        """The token with this SHA-256; one that was revoked elsewhere may be found for up to a minute more."""
        ...

    def all(self) -> list[Token]:
        """Every token, newest first, those whose time is up included."""
        ...

    def remove(self, token_id: str) -> Token | None:
        """Revoke the token of that id; the token, if there was one."""
        ...

    def touch(self, token: Token, at: datetime) -> None:
        """Note when it was used; a token that is gone stays gone."""
        ...
