"""Accounts, shared secrets and the sessions that were ended, in DynamoDB; each added once and never changed."""

from __future__ import annotations

import base64
import secrets
from contextlib import suppress
from datetime import datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import AccessModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.wire import moment

_ACCOUNT, _SECRET, _ENDED = "account", "secret", "ended-session"


class DynamoAccounts:
    """Accounts by name, and the secrets every instance must share."""

    def get(self, name: str) -> Account | None:
        """The account of that name."""
        with translated(f"account {name}"):
            try:
                item = AccessModel.get(_ACCOUNT, name, consistent_read=True)
            except AccessModel.DoesNotExist:
                return None
        body = blob.unpack(item.value)
        return Account(name, body["passwordHash"], moment.read_optional(body.get("createdAt")))

    def put_new(self, account: Account) -> None:
        """Add an account; raises Stale when the name is taken."""
        body = {"passwordHash": account.password_hash, "createdAt": moment.write_optional(account.created_at)}
        item = AccessModel(_ACCOUNT, account.name, value=blob.pack(body))
        with translated(f"account {account.name}"):
            item.save(condition=AccessModel.name.does_not_exist())

    def any(self) -> bool:
        """Whether there is any account at all."""
        with translated("the accounts"):
            return any(True for _ in AccessModel.query(_ACCOUNT, limit=1, consistent_read=True))

    def secret(self, name: str) -> bytes:
        """The secret of that name, made by whoever asks first."""
        made = base64.b64encode(secrets.token_bytes(32)).decode()
        with suppress(Stale), translated(f"secret {name}"):
            AccessModel(_SECRET, name, value=blob.pack(made)).save(condition=AccessModel.name.does_not_exist())
        with translated(f"secret {name}"):
            item = AccessModel.get(_SECRET, name, consistent_read=True)
        return base64.b64decode(blob.unpack(item.value))

    def end_session(self, session_id: str, until: datetime) -> None:
        """Let that session in no more."""
        item = AccessModel(_ENDED, session_id, value=blob.pack({}), expires_at=int(until.timestamp()))
        with translated("the end of a session"):
            item.save()

    def session_ended(self, session_id: str) -> bool:
        """Whether that session was ended."""
        with translated("the end of a session"):
            try:
                AccessModel.get(_ENDED, session_id, consistent_read=True)
            except AccessModel.DoesNotExist:
                return False
        return True
