"""Find out who is asking, from what they show; nobody is let in by default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.account import ANONYMOUS, Account
from chalicelib.domain.audit import ACCOUNT_LOCKED, ADDRESS_LOCKED
from chalicelib.domain.errors import Locked, Unauthenticated
from chalicelib.domain.lockout import LockoutRule, account_subject, address_subject
from chalicelib.domain.token import PREFIX, USE_GRAIN, Token, allowed, digest
from chalicelib.ports.accounts import AccountStore, Passwords, Sessions, TokenStore
from chalicelib.ports.limits import Attempts

EVERYTHING = allowed(["admin"])
LONGEST_NAME = 256
LOCK_AGE = 60.0
"""Requests with a password may go by what was known of locks a minute ago: a read each would be too dear."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: a name with its password, a token, a session cookie, several of them or none."""

    name: str | None = None
    password: str = ""
    session: str | None = None
    token: str | None = None
    network: str = ""
    """Where it comes from."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Who it is; `scheme` is basic, session, token, oidc or anonymous, `session_id` is set with a session."""

    name: str
    scheme: str
    session_id: str = ""
    scopes: frozenset[str] = EVERYTHING


@dataclass(frozen=True, slots=True)
class Doorkeeper:
    """Checks passwords, and shuts the door on guessers."""

    accounts: AccountStore
    passwords: Passwords
    attempts: Attempts
    per_account: LockoutRule
    per_address: LockoutRule
    locked: Callable[[str], object] = lambda _: None
    """Told what has just been locked: `account-locked` or `address-locked`."""

    def check(self, shown: Credentials, now: datetime, max_age: float = 0.0) -> Account | None:
        """The account whose name and password these are. Raises Locked after too many failures.

        Takes as long for a name that does not exist. `max_age` is how old the knowledge of an open door may be.
        """
        if not shown.name:
            return None
        subject, address = account_subject(shown.name), address_subject(shown.network)
        until = self.attempts.locked_until((subject, address), now, max_age)
        if until is not None:
            raise Locked(max(1, round((until - now).total_seconds())))
        account = self.verified(shown.name, shown.password)
        # Many guesses at once all find the door open: what comes of them counts only while it still is.
        until = self.attempts.locked_until((subject, address), now, max_age) if account is not None else None
        if until is not None:
            raise Locked(max(1, round((until - now).total_seconds())))
        if account is None:
            if self.attempts.fail(subject, self.per_account, now) is not None:
                self.locked(ACCOUNT_LOCKED)
            if self.attempts.fail(address, self.per_address, now) is not None:
                self.locked(ADDRESS_LOCKED)
        else:
            self.attempts.clear(subject)
        return account

    def verified(self, name: str, password: str) -> Account | None:
        """The account whose name and password these are, whatever was tried before."""
        # No store takes a longer one as a key, nor is any account named so.
        account = self.accounts.get(name) if len(name) <= LONGEST_NAME else None
        if account is None:
            self.passwords.reject(password)
            return None
        return account if self.passwords.verify(account.password_hash, password) else None


def authenticate(
    shown: Credentials,
    *,
    doorkeeper: Doorkeeper,
    sessions: Sessions,
    tokens: TokenStore,
    vouch: Callable[[str], str | None],
    vouched: Callable[[], bool],
    anonymous: bool,
    now: datetime,
) -> Identified:
    """Who is asking: a token, which says itself what it allows; a session (it is cheap); a password; then anybody
    where that is confirmed.

    `vouch` says whom an identity provider knows by a token; `vouched`, whether those it has vouched for may still come
    in. Raises Unauthenticated, and Locked after too many wrong passwords.
    """
    found = None
    if shown.token and shown.token.startswith(PREFIX):
        found = _by_token(shown.token, doorkeeper.accounts, tokens, anonymous, vouched, now)
    elif shown.token:
        name = vouch(shown.token)
        found = Identified(name, "oidc") if name is not None else None
    if found is None and shown.session:
        found = _by_session(shown.session, doorkeeper.accounts, sessions, vouched, now)
    if found is None and shown.name:
        found = _by_password(shown, doorkeeper, anonymous, now)
    if found is not None:
        return found
    if anonymous:
        return Identified(ANONYMOUS, "anonymous")
    if shown.token:
        raise Unauthenticated("The token is not known, or is over.")
    if shown.name is not None:
        raise Unauthenticated("The user name or the password is wrong.")
    if shown.session:
        raise Unauthenticated("The session is over. Log in again.")
    raise Unauthenticated("Log in first: send a user name and a password, an API token, or a session cookie.")


def _by_password(shown: Credentials, doorkeeper: Doorkeeper, anonymous: bool, now: datetime) -> Identified | None:
    # Where everybody may come in, a password opens nothing, and nobody needs to be kept from guessing it.
    if anonymous:
        account = doorkeeper.verified(shown.name or "", shown.password)
    else:
        account = doorkeeper.check(shown, now, LOCK_AGE)
    return Identified(account.name, "basic") if account is not None else None


def _by_token(
    text: str, accounts: AccountStore, tokens: TokenStore, anonymous: bool, vouched: Callable[[], bool], now: datetime
) -> Identified | None:
    token = tokens.get(digest(text))
    if token is None or token.over(now) or not _owner_may_come_in(token, accounts, anonymous, vouched):
        return None
    if token.last_used_at is None or now - token.last_used_at >= USE_GRAIN:
        tokens.touch(token, now.replace(minute=0, second=0, microsecond=0))
    return Identified(token.owner, "token", scopes=allowed(token.scopes))


def _owner_may_come_in(token: Token, accounts: AccountStore, anonymous: bool, vouched: Callable[[], bool]) -> bool:
    if token.owner_scheme == "anonymous":
        return anonymous
    return vouched() if token.owner_scheme == "oidc" else accounts.get(token.owner) is not None


def _by_session(
    text: str, accounts: AccountStore, sessions: Sessions, vouched: Callable[[], bool], now: datetime
) -> Identified | None:
    session = sessions.read(text, now)
    # A session without a fingerprint is of somebody an identity provider has vouched for.
    if session is None or not (session.fingerprint or vouched()):
        return None
    if session.fingerprint:
        account = accounts.get(session.name)
        if account is None or account.fingerprint != session.fingerprint:
            return None
    if accounts.session_ended(session.id):
        return None
    return Identified(session.name, "session" if session.fingerprint else "oidc", session.id)
