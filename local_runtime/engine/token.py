"""Owns the token a proxy in front of an engine asks for: fetched when needed, shown until it runs out, renewed."""

from __future__ import annotations

import threading
import time
from typing import Any

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from requests.auth import AuthBase

from chalicelib.domain.client_credentials import ClientCredentials
from chalicelib.ports.engine import EngineUnavailable

PATIENCE = 10.0
_BEFORE_ITS_END = 30.0
"""Seconds: a token is not shown that might run out on its way. Of a short one the second half is not used."""
_UNTOLD = 300.0
"""Seconds a token is taken to hold when nobody tells."""


class Token(AuthBase):
    """An access token by client credentials. One for all connections to an engine; thread-safe."""

    def __init__(self, credentials: ClientCredentials) -> None:
        self._credentials = credentials
        self._lock = threading.Lock()
        self._endpoint: tuple[str, str] | None = None
        self._held: str | None = None
        self._until = 0.0

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Shows the token. Raises EngineUnavailable when none is to be had."""
        request.headers["Authorization"] = f"Bearer {self.value()}"
        return request

    def value(self) -> str:
        """A token that holds for a while."""
        with self._lock:
            if self._held is None or time.monotonic() >= self._until:
                self._held = None
                asked = time.monotonic()
                self._held, holds = self._fetch()
                self._until = asked + holds - min(_BEFORE_ITS_END, holds / 2)
            return self._held

    def refused(self) -> None:
        """The proxy does not accept it: the next one is a new one."""
        with self._lock:
            self._held = None

    def _fetch(self) -> tuple[str, float]:
        """A token, and the seconds it holds."""
        url, method = self._endpoint or self._discover()
        one = self._credentials
        if not one.trusts(url):
            raise EngineUnavailable(f"The secret is not sent to {url}: it is not https.")
        self._endpoint = url, method
        try:
            with OAuth2Session(one.client_id, one.client_secret, token_endpoint_auth_method=method) as session:
                told: dict[str, Any] = session.fetch_token(
                    url, grant_type="client_credentials", timeout=PATIENCE, allow_redirects=False, **one.parameters
                )
            return str(told["access_token"]), max(float(told.get("expires_in") or _UNTOLD), 1.0)
        except (AuthlibBaseError, requests.RequestException, ValueError, TypeError, KeyError) as error:
            # Where tokens are given may have moved as well.
            self._endpoint = None
            raise EngineUnavailable(f"{url} gives no token for the engine: {error!r}") from error

    def _discover(self) -> tuple[str, str]:
        """Where tokens are given, and how the client shows who it is."""
        one = self._credentials
        if one.token_url is not None:
            return one.token_url, "client_secret_basic"
        url = one.discovery_url or ""
        if not one.trusts(url):
            raise EngineUnavailable(f"{url} is not asked where tokens are given: it is not https.")
        try:
            answer = requests.get(url, timeout=PATIENCE, allow_redirects=False)
            answer.raise_for_status()
            facts = answer.json()
            methods = facts.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
            known = [name for name in ("client_secret_basic", "client_secret_post") if name in methods]
            return str(facts["token_endpoint"]), known[0] if known else "client_secret_basic"
        except (requests.RequestException, ValueError, KeyError, AttributeError) as error:
            raise EngineUnavailable(f"{url} does not say where tokens are given: {error!r}") from error
