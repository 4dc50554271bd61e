"""Make and revoke personal API tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from chalicelib.domain.errors import Conflict, Invalid, NotFound
from chalicelib.domain.token import MOST_TOKENS, PREFIX, Token, digest, hint
from chalicelib.ports.accounts import TokenStore


def make_token(
    tokens: TokenStore,
    *,
    name: str,
    owner: str,
    owner_scheme: str,
    scopes: Sequence[str],
    now: datetime,
    expires_at: datetime | None = None,
) -> tuple[str, Token]:
    """A new token's text, which nobody can read again, and the token. Raises Conflict when there are too many."""
    if expires_at is not None and expires_at <= now:
        raise Invalid("`expiresAt` must lie in the future.")
    kept = tokens.all()
    for over in [token for token in kept if token.over(now)]:
        tokens.remove(over.id)
    if sum(not token.over(now) for token in kept) >= MOST_TOKENS:
        raise Conflict(f"There are {MOST_TOKENS} tokens already. Revoke one first.")
    text = PREFIX + secrets.token_urlsafe(32)
    token = Token(digest(text), name, owner, owner_scheme, tuple(dict.fromkeys(scopes)), hint(text), now, expires_at)
    tokens.add(token)
    return text, token


def revoke_token(tokens: TokenStore, token_id: str) -> None:
    """End a token. Raises NotFound."""
    if tokens.remove(token_id) is None:
        raise NotFound("No token has this id.")
