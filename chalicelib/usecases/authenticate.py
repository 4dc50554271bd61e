"""Find out who is asking, from what they show; nobody is let in by default."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.account import ANONYMOUS, Account
from chalicelib.domain.errors import Unauthenticated
from chalicelib.ports.accounts import AccountStore, Passwords, Sessions


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: a name with its password, a session cookie, both or neither."""

    name: str | None = None
    password: str = ""
    session: str | None = None


@dataclass(frozen=True, slots=True)
class Identified:
    """Who it is; `scheme` is basic, session or anonymous, `session_id` is set with a session."""

    name: str
    scheme: str
    session_id: str = ""


def authenticate(
    shown: Credentials,
    *,
    accounts: AccountStore,
    passwords: Passwords,
    sessions: Sessions,
    anonymous: bool,
    now: datetime,
) -> Identified:
    """Who is asking: a session first (it is cheap), then a password, then anybody where that is confirmed.

    Raises Unauthenticated.
    """
    found = _by_session(shown, accounts, sessions, now) if shown.session else None
    if found is not None:
        return found
    if shown.name is not None and check_password(shown.name, shown.password, accounts, passwords) is not None:
        return Identified(shown.name, "basic")
    if anonymous:
        return Identified(ANONYMOUS, "anonymous")
    if shown.name is not None:
        raise Unauthenticated("The user name or the password is wrong.")
    if shown.session:
        raise Unauthenticated("The session is over. Log in again.")
    raise Unauthenticated("Log in first: send a user name and a password, or a session cookie.")


def check_password(name: str, password: str, accounts: AccountStore, passwords: Passwords) -> Account | None:
    """The account whose name and password these are; takes as long for a name that does not exist."""
    if not name:
        return None
    account = accounts.get(name)
    if account is None:
        passwords.reject(password)
        return None
    return account if passwords.verify(account.password_hash, password) else None


def _by_session(shown: Credentials, accounts: AccountStore, sessions: Sessions, now: datetime) -> Identified | None:
    session = sessions.read(shown.session or "", now)
    if session is None:
        return None
    if session.fingerprint:
        account = accounts.get(session.name)
        if account is None or account.fingerprint != session.fingerprint:
            return None
    return Identified(session.name, "session", session.id)
