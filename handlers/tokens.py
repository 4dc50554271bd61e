"""Personal API tokens: `/api/v1/tokens`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.domain.errors import Forbidden, Invalid
from chalicelib.ports.services import Services
from chalicelib.usecases.manage_tokens import make_token, revoke_token
from chalicelib.wire import json
from chalicelib.wire import token as wire
from handlers.http import Request, Response

TOKENS_PATH = "/api/v1/tokens"


def create(request: Request, services: Services) -> Response:
    """Make one; its text is in this answer and nowhere else."""
    fields: Mapping[str, Any] = request.payload if isinstance(request.payload, Mapping) else {}
    name = fields["name"].strip()
    if not name.isprintable():
        raise Invalid("`name` must be one line of plain text.")
    now = services.clock.now()
    days = fields.get("expiresInDays")
    caller = request.caller
    assert caller is not None
    if caller.scheme == "token":
        raise Forbidden("A token cannot make another: one that leaks must not outlive its end. Log in for that.")
    text, token = make_token(
        services.tokens,
        name=name,
        owner=caller.name,
        owner_scheme=caller.scheme if caller.scheme in ("anonymous", "oidc") else "account",
        scopes=fields["scopes"],
        now=now,
        expires_at=now + timedelta(days=days) if days is not None else None,
    )
    location = ("Location", f"{TOKENS_PATH}/{token.id}")
    return Response(201, json.dumps({**wire.write(token), "token": text}), (location,))


def list_all(_request: Request, services: Services) -> object:
    """Everybody's, so that a leaked one can be revoked by whoever learns of it."""
    now = services.clock.now()
    found = [wire.write(token) for token in services.tokens.all() if not token.over(now)]
    return {"data": found, "total": len(found)}


def revoke(request: Request, services: Services) -> Response:
    """End one at once; other instances follow within a minute."""
    revoke_token(services.tokens, request.path_params["id"])
    return Response(204, media_type=None)
