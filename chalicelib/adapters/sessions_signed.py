"""Sessions as signed texts (itsdangerous): nothing is kept, any instance can read what another wrote."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.domain.account import Session

if TYPE_CHECKING:
    from itsdangerous import URLSafeSerializer


class SignedSessions:
    """`secret` signs; whoever knows it can open any session."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @cached_property
    def _serializer(self) -> URLSafeSerializer:
        import hashlib

        from itsdangerous import URLSafeSerializer

        return URLSafeSerializer(self._secret, salt="drydock.sid", signer_kwargs={"digest_method": hashlib.sha256})

    def write(self, session: Session) -> str:
        """The signed text, fit for a cookie."""
        fields = [session.name, session.id, int(session.expires_at.timestamp()), session.fingerprint]
        text = self._serializer.dumps(fields)
        return text if isinstance(text, str) else text.decode()

    def read(self, text: str, now: datetime) -> Session | None:
        """The session, unless it was tampered with or is over."""
        from itsdangerous import BadData

        try:
            name, identifier, expires, fingerprint = self._serializer.loads(text)
        except (BadData, ValueError, TypeError):
            return None
        session = Session(name, identifier, datetime.fromtimestamp(expires, UTC), fingerprint)
        return session if session.expires_at > now else None
