"""Make the `admin` account of a fresh installation, so that it is never open by accident."""

from __future__ import annotations

import secrets
from datetime import datetime

from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.ports.accounts import AccountStore, Passwords

FIRST_NAME = "admin"


def create_first_account(accounts: AccountStore, passwords: Passwords, *, anonymous: bool, now: datetime) -> str | None:
    """The password of the new `admin`, to be shown once; nothing when there is an account or nobody needs one.

    When two servers start at once, one of them makes the account and only that one is told the password.
    """
    if anonymous or accounts.any():
        return None
    password = secrets.token_urlsafe(18)
    try:
        accounts.put_new(Account(FIRST_NAME, passwords.hash(password), now))
    except Stale:
        return None
    return password
