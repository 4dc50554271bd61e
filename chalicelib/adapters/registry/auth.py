"""Answers a registry's challenge: Basic, or a token fetched from a realm that this registry may send us to."""

from __future__ import annotations

import base64
import re
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit
from urllib.request import parse_http_list

import httpx
import orjson

from chalicelib.adapters.registry.credentials import DEFAULT_TLS, Account, Instance, Tls
from chalicelib.adapters.registry.providers import TOKEN_HOSTS
from chalicelib.adapters.registry.transport import MEBIBYTE, Call, Transport
from chalicelib.domain.host_name import is_loopback
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import RegistryDenied, RegistryGarbled, RegistryUntrusted

MAX_TOKEN_SECONDS = 300
DEFAULT_TOKEN_SECONDS = 60
_TOKEN = re.compile(r"[\x21-\x7e]{1,65536}")


@dataclass(frozen=True, slots=True)
class Challenge:
    """A registry's demand: where its tokens come from, or `realm` None for Basic."""

    realm: str | None
    service: str | None = None


@dataclass(frozen=True, slots=True)
class _Token:
    value: str
    expires_at: datetime


class Authenticator:
    """The credentials of one registry endpoint; thread-safe. Tokens are kept per repository and account."""

    def __init__(self, base_url: str, instance: Instance, tls: Tls, transport: Transport, clock: Clock) -> None:
        self.base_url = base_url
        self.tls = tls
        self._instance = instance
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._tokens: dict[str, _Token] = {}
        self._challenge: Challenge | None = None

    def authorization(self, path: str, account: Account | None) -> str | None:
        """What to send before being asked: what this registry wanted last time, or Basic where that is its way."""
        if self._challenge is not None:
            return self._answer(self._challenge, path, account)
        if (
            account is not None
            and not account.identity
            and self._instance.provider.basic
            and self._may_hold_credentials()
        ):
            return _basic(account)
        return None

    def answer(self, headers: httpx.Headers, path: str, account: Account | None, rejected: str | None) -> str | None:
        """What to send after a 401, or None when there is nothing better than what was rejected."""
        challenge = read_challenge(headers.get_list("www-authenticate"))
        if challenge is None:
            return None
        if challenge.realm is not None:
            self._check_realm(challenge.realm, account)
            self._forget(path, rejected)
        answer = self._answer(challenge, path, account)
        self._challenge = challenge if answer else self._challenge
        return None if answer == rejected else answer

    def _answer(self, challenge: Challenge, path: str, account: Account | None) -> str | None:
        if challenge.realm is None:
            if account is None or account.identity:
                return None
            if not self._may_hold_credentials():
                raise RegistryUntrusted(f"{self._host} asks for a password over plain HTTP, which is not sent")
            return _basic(account)
        with self._lock:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock:
            token = self._tokens.get(path)
            if token is None or token.expires_at <= self._clock.now():
                token = self._fetch(challenge.realm, challenge.service, path, account)
                self._tokens[path] = token
        return f"Bearer {token.value}"

    def _fetch(self, realm: str, service: str | None, path: str, account: Account | None) -> _Token:
        fields = {"service": service} if service else {}
        fields["scope"] = f"repository:{path}:pull"
        reply = self._transport.send(self._token_call(realm, fields, account))
        if reply.status != 200:
            who = f"the credentials of {account.user}" if account else "anonymous access"
            raise RegistryDenied(f"{_host(realm)} refuses {who} ({reply.status})")
        return self._read(reply.body, realm)

    def _token_call(self, realm: str, fields: dict[str, str], account: Account | None) -> Call:
        tls = self.tls if _hostname(realm) == _hostname(self.base_url) else DEFAULT_TLS
        pace = self._instance.provider.pace
        headers = {"Accept": "application/json"}
        if account is not None and account.identity:
            fields = {"grant_type": "refresh_token", "client_id": "slipway", "refresh_token": account.secret, **fields}
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urlencode(fields).encode()
            return Call("POST", realm, headers, body, tls=tls, pace=pace, max_bytes=MEBIBYTE, has_credentials=True)
        return Call(
            "GET",
            f"{realm}{'&' if urlsplit(realm).query else '?'}{urlencode(fields)}",
            headers,
            authorization=_basic(account) if account else None,
            tls=tls,
            pace=pace,
            max_bytes=MEBIBYTE,
            has_credentials=True,
        )

    def _read(self, body: bytes, realm: str) -> _Token:
        try:
            document = orjson.loads(body)
            value = document.get("token") or document.get("access_token")
            seconds = document.get("expires_in") or DEFAULT_TOKEN_SECONDS
            if not isinstance(value, str) or not _TOKEN.fullmatch(value) or not isinstance(seconds, int | float):
                raise ValueError("no token")
        except (ValueError, AttributeError):
            raise RegistryGarbled(f"{_host(realm)} answers something that is no token") from None
        return _Token(value, self._clock.now() + timedelta(seconds=max(0.0, min(seconds, MAX_TOKEN_SECONDS))))

    def _forget(self, path: str, rejected: str | None) -> None:
        """Drops a token that was refused, but not the one another thread has fetched since."""
        with self._lock:
            token = self._tokens.get(path)
            if token is not None and rejected == f"Bearer {token.value}":
                del self._tokens[path]

    def _check_realm(self, realm: str, account: Account | None) -> None:
        try:
            parts = urlsplit(realm)
            name, own = _hostname(realm), _hostname(self.base_url)
        except ValueError:
            raise RegistryUntrusted(
                f"{self._host} sends us to {realm[:200]!r} for a token, which is no address"
            ) from None
        local = is_loopback(own) and is_loopback(name)
        same_plain_host = self.base_url.startswith("http://") and name == own
        if parts.scheme != "https" and not (parts.scheme == "http" and (local or same_plain_host)):
            raise RegistryUntrusted(f"{self._host} sends us to {realm!r} for a token, which is not secure")
        if parts.username or parts.fragment or not self._trusts(name, own, account is None):
            hint = "" if account is None else ", unless AUTHURL of this registry names it"
            raise RegistryUntrusted(f"{self._host} sends us to {name!r} for a token, which it may not{hint}")

    def _trusts(self, name: str, own: str, anonymous: bool) -> bool:
        if name == own or (is_loopback(name) and is_loopback(own)):
            return True
        if any(re.fullmatch(pattern, name) for pattern in self._instance.provider.token_hosts):
            return True
        if self._instance.auth_url and name == _hostname(self._instance.auth_url):
            return True
        if "." in name and own.endswith(f".{name}"):
            return True
        # Nothing secret is sent anonymously, so a sibling host will do: docker.elastic.co and docker-auth.elastic.co.
        # So will the token host of a registry we know, which others stand in front of: docker.n8n.io of Docker Hub.
        sibling = name.count(".") >= 2 and name.split(".")[-2:] == own.split(".")[-2:]
        return anonymous and (sibling or any(re.fullmatch(pattern, name) for pattern in TOKEN_HOSTS))

    def _may_hold_credentials(self) -> bool:
        """Whether a password may be sent: encrypted, to this machine, or where the operator wrote http himself."""
        url = self.base_url
        return url.startswith("https://") or is_loopback(_hostname(url)) or self._instance.url is not None

    @property
    def _host(self) -> str:
        return _host(self.base_url)


def read_challenge(headers: list[str]) -> Challenge | None:
    """The challenge we can answer, a token before Basic; None when there is none."""
    basic = None
    for header in headers:
        scheme, _, rest = header.strip().partition(" ")
        if scheme.lower() == "bearer":
            pairs = (item.partition("=") for item in parse_http_list(rest))
            fields = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
            if fields.get("realm"):
                return Challenge(fields["realm"], fields.get("service") or None)
        elif scheme.lower() == "basic":
            basic = Challenge(None)
    return basic


def _basic(account: Account) -> str:
    return "Basic " + base64.b64encode(f"{account.user}:{account.secret}".encode()).decode()


def _host(url: str) -> str:
    # Without the name and password some URLs hold: hosts stand in errors.
    return urlsplit(url).netloc.rpartition("@")[2].lower()


def _hostname(url: str) -> str:
    return (urlsplit(url).hostname or "").lower()
