"""An OpenID provider on loopback that really signs, and really checks codes, secrets and PKCE."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from tests.fakes.form_door import answering

CLIENT, SECRET = "slipway", "a client's secret"


def new_key(name: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "RS256"})


@dataclass
class FakeProvider:
    """`claims` go into every token, over what is usual; `asked` counts requests by path."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: new_key("one"))
    claims: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)

    @property
    def discovery(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def log_in(self, url: str, code: str = "code-1") -> dict[str, str]:
        """What a browser sends back after its user has logged in under this authorization URL."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert url.startswith(f"{self.url}/authorize?")
        assert (asked["client_id"], asked["response_type"], asked["code_challenge_method"]) == (CLIENT, "code", "S256")
        self.codes[code] = asked
        return {"code": code, "state": asked["state"]}

    def token(self, key: RSAKey | None = None, algorithm: str = "RS256", **claims: Any) -> str:
        """A signed ID token."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": CLIENT, "sub": "u-1", "email": "ada@example.com", "iat": now, "exp": now + 300}
        key = key or self.key
        all_claims = {name: value for name, value in {**usual, **self.claims, **claims}.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": key.kid}, all_claims, key, algorithms=[algorithm])

    def answer(self, path: str, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """The answer to a request."""
        self.asked[path] = self.asked.get(path, 0) + 1
        if path == "/.well-known/openid-configuration":
            paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
            return 200, {"issuer": self.url, **{name: f"{self.url}/{last}" for name, last in paths.items()}}
        if path == "/jwks":
            return 200, KeySet([self.key]).as_dict(private=False)
        begun = self.codes.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if begun is None or authorization != expected or begun["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        if challenge.decode().rstrip("=") != begun["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {"token_type": "Bearer", "access_token": "x", "id_token": self.token(nonce=begun["nonce"])}


@contextmanager
def running_provider() -> Iterator[FakeProvider]:
    """A provider on a free port."""
    provider = FakeProvider()
    with answering(lambda *request: provider.answer(*request)) as provider.url:
        yield provider
