"""Personal API tokens: what they look like, what they allow, and the one form they are kept in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

PREFIX = "slw_"
SCOPES = ("read", "watch", "act", "admin")
"""From the least to the most; each allows what those before it allow."""
MOST_TOKENS = 100
USE_GRAIN = timedelta(hours=1)
"""The last use of a token is known to this grain, so that using one costs hardly any write."""
_SHOWN = 4
_ID_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is kept: its SHA-256 in hex, never itself. `hint` is its beginning, for its owner to know it by."""

    digest: str
    name: str
    owner: str
    owner_scheme: str
    """How the owner had come in: a token of an account ends with it, one of a guest with the open door."""
    scopes: tuple[str, ...]
    hint: str
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def id(self) -> str:
        """Names it in lists and when it is revoked; tells nothing that would help to use it."""
        return self.digest[:_ID_LENGTH]

    def over(self, now: datetime) -> bool:
        """Whether its time is up."""
        return self.expires_at is not None and self.expires_at <= now


def digest(text: str) -> str:
    """What a token is kept and looked up by. It is random enough for a plain hash."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def is_id(text: str) -> bool:
    """Whether a token could have this id."""
    return len(text) == _ID_LENGTH and set(text) <= set("0123456789abcdef")


def hint(text: str) -> str:
    """The beginning of a token."""
    return f"{text[: len(PREFIX) + _SHOWN]}…"


def allowed(scopes: Iterable[str]) -> frozenset[str]:
    """Everything these scopes allow."""
    most = max((SCOPES.index(scope) for scope in scopes if scope in SCOPES), default=-1)
    return frozenset(SCOPES[: most + 1])
