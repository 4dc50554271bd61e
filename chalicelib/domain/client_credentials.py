"""What a program shows an identity provider to get a token of its own, with nobody there to log in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2.0 client credentials (RFC 6749 §4.4). Either `token_url` or `discovery` says where tokens are given."""

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str | None = None
    discovery: str | None = None
    """The issuer, or its `.well-known/openid-configuration`."""
    scope: str | None = None
    audience: str | None = None
    resource: str | None = None
    insecure: bool = False
    """The secret may travel over plain http."""

    @property
    def discovery_url(self) -> str | None:
        """Where the provider describes itself."""
        if self.discovery is None or "/.well-known/" in self.discovery:
            return self.discovery
        return self.discovery.rstrip("/") + "/.well-known/openid-configuration"

    @property
    def parameters(self) -> Mapping[str, str]:
        """What a token is asked for with, besides who asks."""
        asked = {"scope": self.scope, "audience": self.audience, "resource": self.resource}
        return {name: value for name, value in asked.items() if value}

    def trusts(self, url: str) -> bool:
        """Whether the secret may be sent there."""
        parts = urlsplit(url)
        return bool(parts.hostname) and (parts.scheme == "https" or (self.insecure and parts.scheme == "http"))
