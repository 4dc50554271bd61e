"""Who may come in: an account, the session it opens, and the one form its password is kept in."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

ANONYMOUS = "anonymous"
"""The name of a caller who did not have to say who they are."""


@dataclass(frozen=True, slots=True)
class Account:
    """A name and its argon2id hash in PHC form; `created_at` is absent for accounts that settings declare."""

    name: str
    password_hash: str
    created_at: datetime | None = None

    @property
    def fingerprint(self) -> str:
        """Changes with the password, tells nothing about it: a session carries it to end with the password."""
        return hashlib.sha256(self.password_hash.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Session:
    """What a session cookie says: whose it is, until when, and of which password."""

    name: str
    id: str
    expires_at: datetime
    fingerprint: str = ""


def phc(password_hash: str) -> str:
    """The PHC form of an argon2id hash; `argon2id$memory$passes$parallelism$salt$hash` is understood as well.

    Raises ValueError for anything else: a hash we cannot check must never let anybody in.
    """
    if password_hash.startswith("$argon2id$"):
        return password_hash
    parts = password_hash.split("$")
    if len(parts) == 6 and parts[0] == "argon2id" and all(part.isdigit() for part in parts[1:4]):
        memory, passes, lanes, salt, digest = parts[1:]
        return f"$argon2id$v=19$m={memory},t={passes},p={lanes}${_unpadded(salt)}${_unpadded(digest)}"
    raise ValueError(
        "A password hash must be argon2id: `$argon2id$…`, or `argon2id$memory$passes$parallelism$salt$hash`."
    )


def _unpadded(base64: str) -> str:
    return base64.rstrip("=").replace("-", "+").replace("_", "/")
