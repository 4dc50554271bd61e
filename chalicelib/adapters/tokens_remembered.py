"""API tokens in front of those in the store, which are read at most once a minute each."""

from __future__ import annotations

import time
from datetime import datetime

from chalicelib.domain.token import Token
from chalicelib.ports.accounts import TokenStore

REMEMBERED_SECONDS = 60.0


class RememberedTokens:
    """A TokenStore over another one. Only tokens that exist are remembered, so guessed ones fill no memory."""

    def __init__(self, store: TokenStore) -> None:
        self._store = store
        self._read: dict[str, tuple[float, Token]] = {}

    def add(self, token: Token) -> None:
        """Keep a new token."""
        self._store.add(token)

    def get(self, digest: str) -> Token | None:
        """The token with this SHA-256."""
        until, known = self._read.get(digest, (0.0, None))
        if known is not None and until > time.monotonic():
            return known
        token = self._store.get(digest)
        if token is None:
            self._read.pop(digest, None)
        else:
            self._read[digest] = (time.monotonic() + REMEMBERED_SECONDS, token)
        return token

    def all(self) -> list[Token]:
        """Every token, as the store has it."""
        return self._store.all()

    def remove(self, token_id: str) -> Token | None:
        """Revoke the token of that id, here at once."""
        removed = self._store.remove(token_id)
        if removed is not None:
            self._read.pop(removed.digest, None)
        return removed

    def touch(self, token: Token, at: datetime) -> None:
        """Note when it was used."""
        self._read.pop(token.digest, None)
        self._store.touch(token, at)
