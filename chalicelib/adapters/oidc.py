"""OpenID Connect with Authlib and joserfc. Imported only where a provider is configured; not in the Lambda bundle."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import httpx
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken, IDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from chalicelib.domain.errors import Unauthenticated, Unavailable
from chalicelib.ports.identity import Ticket

if TYPE_CHECKING:
    from joserfc.jwk import KeySetSerialization

ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures with public keys only: `none`, and a secret that both sides know, prove nothing."""
SCOPES = ("openid", "email", "profile")
KEPT_SECONDS = 3600.0
KEYS_AGAIN_SECONDS = 60.0
SILENCE_SECONDS = 5.0
"""So long a provider that did not answer is not asked again: whoever shows a token makes us ask, and wait."""
LEEWAY = 60
_NAMES = ("email", "preferred_username", "sub")
_LONGEST = 16_384


class OidcProvider:
    """The authorization code flow with PKCE; ID tokens as bearer tokens. Discovery and keys are kept for an hour."""

    def __init__(
        self,
        name: str,
        client_id: str,
        client_secret: str,
        discovery: str,
        *,
        redirect: bool = False,
        logout_url: str | None = None,
        timeout: float = 5.0,
    ) -> None:
        self.name = name
        self.redirect = redirect
        self.logout_url = logout_url
        self._client = (client_id, client_secret)
        self._discovery = discovery
        self._http = httpx.Client(timeout=timeout, follow_redirects=False)
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Any]] = {}
        self._silent: tuple[float, str] | None = None

    def authorization_url(self, callback: str, ticket: Ticket) -> str:
        """Where to send the browser. Raises Unavailable when the provider does not answer."""
        return str(
            prepare_grant_uri(
                self._configuration()["authorization_endpoint"],
                self._client[0],
                "code",
                redirect_uri=callback,
                scope=" ".join(SCOPES),
                state=ticket.state,
                nonce=ticket.nonce,
                code_challenge=create_s256_code_challenge(ticket.verifier),
                code_challenge_method="S256",
            )
        )

    def identify(self, code: str, callback: str, ticket: Ticket) -> str:
        """Whom the code stands for. Raises Unauthenticated, and Unavailable when the provider does not answer."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "client_id": self._client[0],
            "code_verifier": ticket.verifier,
        }
        answer = self._ask("POST", self._configuration()["token_endpoint"], data=form, auth=self._client)
        if answer.status_code >= 500:
            raise Unavailable(f"the identity provider {self.name} answers {answer.status_code}")
        fields = _object(answer) if answer.status_code == 200 else {}
        if not isinstance(fields.get("id_token"), str):
            raise Unauthenticated("The identity provider did not accept this log-in. Begin again.")
        claims = self._claims(fields["id_token"], CodeIDToken, nonce=ticket.nonce, client_id=self._client[0])
        if claims is None:
            raise Unauthenticated("The identity provider's token is not valid. Begin again.")
        return _name(claims)

    def identify_bearer(self, token: str) -> str | None:
        """Whom an ID token of the provider, meant for us, stands for. Raises Unavailable."""
        if token.count(".") != 2 or len(token) > _LONGEST:
            return None
        claims = self._claims(token, IDToken, client_id=self._client[0])
        return _name(claims) if claims is not None else None

    def _claims(self, text: str, kind: type[IDToken], **expected: str) -> Mapping[str, Any] | None:
        issuer = self._configuration()["issuer"]
        options = {"iss": {"essential": True, "value": issuer}, "aud": {"essential": True, "value": self._client[0]}}
        try:
            decoded = self._decoded(text)
            claims = kind(decoded.claims, decoded.header, options, expected)
            claims.validate(leeway=LEEWAY)
        except (JoseError, ValueError, TypeError, KeyError):
            return None
        found: Mapping[str, Any] = decoded.claims
        return found

    def _decoded(self, text: str) -> jwt.Token:
        try:
            return jwt.decode(text, self._keys(KEPT_SECONDS), algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            # The provider may have changed its keys; a forger must not make us ask for them all the time.
            return jwt.decode(text, self._keys(KEYS_AGAIN_SECONDS), algorithms=ALGORITHMS)

    def _keys(self, max_age: float) -> KeySet:
        fields = self._fetch(self._configuration()["jwks_uri"], max_age)
        return KeySet.import_key_set(cast("KeySetSerialization", fields))

    def _configuration(self) -> dict[str, Any]:
        fields = self._fetch(self._discovery, KEPT_SECONDS)
        if not all(isinstance(fields.get(name), str) for name in _ENDPOINTS):
            raise Unavailable(f"the identity provider {self.name} does not say where its endpoints are")
        return fields

    def _fetch(self, url: str, max_age: float) -> dict[str, Any]:
        with self._lock:
            read_at, fields = self._kept.get(url, (0.0, None))
            if fields is None or time.monotonic() - read_at > max_age:
                fields = self._read(url)
                self._kept[url] = (time.monotonic(), fields)
            found: dict[str, Any] = fields
            return found

    def _read(self, url: str) -> dict[str, Any]:
        """A document of the provider's, asked for now; the caller holds the lock."""
        if self._silent is not None and time.monotonic() - self._silent[0] < SILENCE_SECONDS:
            raise Unavailable(self._silent[1])
        try:
            answer = self._ask("GET", url)
            if answer.status_code != 200:
                raise Unavailable(f"the identity provider {self.name} answers {answer.status_code}")
        except Unavailable as error:
            self._silent = (time.monotonic(), str(error))
            raise
        self._silent = None
        return _object(answer)

    def _ask(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, headers={"Accept": "application/json"}, **more)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"the identity provider {self.name} does not answer: {error}") from error


_ENDPOINTS = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        fields = answer.json()
    except ValueError:
        fields = None
    return fields if isinstance(fields, dict) else {}


def _name(claims: Mapping[str, Any]) -> str:
    found = next((claims[name] for name in _NAMES if isinstance(claims.get(name), str) and claims[name]), "")
    if not found or not found.isprintable():
        raise Unauthenticated("The identity provider does not say who this is.")
    return str(found)[:256]
