"""API tokens, as the store keeps them and as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.token import Token
from chalicelib.wire import moment

Json = dict[str, Any]


def store(token: Token) -> Json:
    """What is kept beside the digest."""
    return {
        "name": token.name,
        "owner": token.owner,
        "ownerScheme": token.owner_scheme,
        "scopes": list(token.scopes),
        "hint": token.hint,
        "createdAt": moment.write(token.created_at),
        "expiresAt": moment.write_optional(token.expires_at),
        "lastUsedAt": moment.write_optional(token.last_used_at),
    }


def read(digest: str, body: Mapping[str, Any]) -> Token:
    """The token that was kept."""
    return Token(
        digest=digest,
        name=body["name"],
        owner=body["owner"],
        owner_scheme=body["ownerScheme"],
        scopes=tuple(body["scopes"]),
        hint=body["hint"],
        created_at=moment.read(body["createdAt"]),
        expires_at=moment.read_optional(body.get("expiresAt")),
        last_used_at=moment.read_optional(body.get("lastUsedAt")),
    )


def write(token: Token) -> Json:
    """The token, masked."""
    body = {
        "id": token.id,
        "name": token.name,
        "owner": token.owner,
        "scopes": list(token.scopes),
        "token": token.hint,
        "createdAt": moment.write(token.created_at),
        "expiresAt": moment.write_optional(token.expires_at),
        "lastUsedAt": moment.write_optional(token.last_used_at),
    }
    return {name: value for name, value in body.items() if value is not None}
