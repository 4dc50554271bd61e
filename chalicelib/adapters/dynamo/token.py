"""API tokens in DynamoDB, found by their SHA-256."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import AccessModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale
from chalicelib.domain.token import Token, is_id
from chalicelib.wire import token as wire

_TOKEN = "token"  # noqa: S105


class DynamoTokens:
    """One item per token."""

    def add(self, token: Token) -> None:
        """Keep a new token."""
        item = AccessModel(_TOKEN, token.digest, value=blob.pack(wire.store(token)))
        if token.expires_at is not None:
            item.expires_at = int(token.expires_at.timestamp())
        with translated("the API token"):
            item.save(condition=AccessModel.name.does_not_exist())

    def get(self, digest: str) -> Token | None:
        """The token with this SHA-256."""
        with translated("the API token"):
            try:
                item = AccessModel.get(_TOKEN, digest, consistent_read=True)
            except AccessModel.DoesNotExist:
                return None
        return wire.read(digest, blob.unpack(item.value))

    def all(self) -> list[Token]:
        """Every token, newest first."""
        with translated("the API tokens"):
            found = [
                wire.read(item.name, blob.unpack(item.value))
                for item in AccessModel.query(_TOKEN, consistent_read=True)
            ]
        return sorted(found, key=lambda token: (token.created_at, token.digest), reverse=True)

    def remove(self, token_id: str) -> Token | None:
        """Revoke the token of that id; the token, if there was one."""
        if not is_id(token_id):
            return None
        with translated("the API token"):
            for item in AccessModel.query(_TOKEN, AccessModel.name.startswith(token_id), consistent_read=True):
                found = wire.read(item.name, blob.unpack(item.value))
                if found.id == token_id:
                    item.delete()
                    return found
        return None

    def touch(self, token: Token, at: datetime) -> None:
        """Note when it was used; a token that is gone stays gone."""
        value = blob.pack(wire.store(replace(token, last_used_at=at)))
        try:
            with translated("the API token"):
                AccessModel(_TOKEN, token.digest).update(
                    actions=[AccessModel.value.set(value)], condition=AccessModel.name.exists()
                )
        except Stale:
            return
