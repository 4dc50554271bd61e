"""Which registry instances are configured, and with what credentials: settings first, then Docker's own config.json."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from chalicelib.adapters.registry.providers import BY_KIND, JSON_KEY_USER, PROVIDERS, Provider

log = logging.getLogger(__name__)
HELPER_TIMEOUT_SECONDS = 10
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_IDENTITY_USER = "<token>"
_HUB_KEYS = ("https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io")

Settings = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Account:
    """A user and a secret, which is a refresh token where `identity` says so; the secret never shows in a repr."""

    user: str
    secret: str = field(repr=False)
    identity: bool = False


@dataclass(frozen=True, slots=True)
class Tls:
    """How a self-hosted registry is trusted: its CA, our client certificate, or no verification at all."""

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    insecure: bool = False


DEFAULT_TLS = Tls()


@dataclass(frozen=True, slots=True)
class Instance:
    """One configured registry. `url` is the root of a self-hosted one, without `/v2`; `region` is for ECR."""

    provider: Provider
    name: str
    account: Account | None = None
    url: str | None = None
    tls: Tls = DEFAULT_TLS
    auth_url: str | None = None
    region: str | None = None
    access_key: str | None = None

    @property
    def id(self) -> str:
        return f"{self.provider.kind}.{self.name}"

    def owns(self, host: str) -> bool:
        """Whether images of this host belong here: by whole host and port, never by a part of it."""
        if self.url is None:
            return self.provider.owns(host)
        parts = urlsplit(self.url)
        return host in (parts.netloc.lower(), parts.hostname if self.provider.kind == "custom" else None)


def read_instances(settings: Settings) -> tuple[Instance, ...]:
    """Instances in the order they are tried: those with credentials first, then by id.

    `settings` is `{provider: {name: {key: value} or ""}}`, keys lower case. A wrong entry is logged and left out.
    Providers that nobody configured get their anonymous `public` instance.
    """
    found: list[Instance] = []
    for kind, named in settings.items():
        provider = BY_KIND.get(kind)
        if provider is None or not isinstance(named, Mapping):
            log.warning("Registry '%s' is not one we know; it is left out", kind)
            continue
        for name, values in named.items():
            try:
                found.append(_instance(provider, name, values if isinstance(values, Mapping) else {}))
            except ValueError as error:
                log.warning("Registry '%s.%s' is left out: %s", kind, name, error)
    configured = {instance.provider.kind for instance in found}
    found += [Instance(p, "public") for p in PROVIDERS if p.public and p.kind not in configured]
    return tuple(sorted(found, key=lambda instance: (instance.account is None, instance.id)))


def _instance(provider: Provider, name: str, values: Settings) -> Instance:
    text = {key: str(value) for key, value in values.items() if isinstance(value, str | int) and str(value)}
    url = None
    if provider.self_hosted:
        url = _root(text.get("url") or provider.default_url or "")
    return Instance(
        provider,
        name,
        _account(provider, text),
        url,
        Tls(
            text.get("cafile"),
            text.get("clientcert"),
            text.get("clientkey"),
            text.get("insecure", "").lower() == "true",
        ),
        text.get("authurl") and _root(text["authurl"]),
        text.get("region"),
        text.get("accesskeyid"),
    )


def _root(url: str) -> str:
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if not url or parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("its URL is missing or is not a web address")
    if "@" in parts.netloc:
        raise ValueError("its URL holds a user or a password; these are settings of their own")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/').removesuffix('/v2')}"


def _account(provider: Provider, text: Mapping[str, str]) -> Account | None:
    if "auth" in text:
        return _of_basic(text["auth"])
    secret = next((text[key] for key in provider.secrets if key in text), None)
    if provider.kind == "ecr" and ("accesskeyid" in text) is not (secret is not None):
        raise ValueError("accesskeyid and secretaccesskey belong together")
    if secret is None:
        if "login" in text or "username" in text:
            raise ValueError(f"it has a user but no {' or '.join(provider.secrets)}")
        return None
    if provider.user == JSON_KEY_USER:
        return Account(JSON_KEY_USER, _service_account(text, secret))
    try:
        return Account(provider.user.format_map(text), secret)
    except KeyError as missing:
        if provider.default_user:
            return Account(provider.default_user, secret)
        raise ValueError(f"{missing} is missing") from None


def _service_account(text: Mapping[str, str], key: str) -> str:
    if "clientemail" not in text:
        raise ValueError("clientemail is missing")
    return json.dumps({"client_email": text["clientemail"], "private_key": key.replace("\\n", "\n")})


def _of_basic(encoded: str) -> Account:
    try:
        user, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("auth is not base64 of user:password") from None
    if not colon:
        raise ValueError("auth is not base64 of user:password")
    return Account(user, secret)


RunHelper = Callable[[str, str], str]


def run_helper(name: str, server: str) -> str:
    """What `docker-credential-<name> get` prints for a server; raises OSError or SubprocessError."""
    done = subprocess.run(
        [f"docker-credential-{name}", "get"],
        input=server,
        capture_output=True,
        text=True,
        timeout=HELPER_TIMEOUT_SECONDS,
        check=True,
    )
    return done.stdout


class DockerConfig:
    """Docker's config.json, read anew whenever an account is asked for, so that a `docker login` counts at once."""

    def __init__(self, path: Path | None, run: RunHelper = run_helper) -> None:
        self._path = path
        self._run = run

    def account(self, host: str) -> Account | None:
        """The account Docker itself would use for a host, or None."""
        document = self._document()
        for key in self._keys(host):
            helper = (document.get("credHelpers") or {}).get(key) or document.get("credsStore")
            account = self._of_helper(helper, key) if helper else self._stored(document, key)
            if account:
                return account
        return None

    @staticmethod
    def _keys(host: str) -> tuple[str, ...]:
        return (
            _HUB_KEYS
            if host == "docker.io"
            else (host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/")
        )

    def _document(self) -> Mapping[str, Any]:
        if self._path is None:
            return {}
        try:
            document = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return {}
        return document if isinstance(document, dict) else {}

    def _stored(self, document: Mapping[str, Any], key: str) -> Account | None:
        entry = (document.get("auths") or {}).get(key)
        if not isinstance(entry, Mapping):
            return None
        if entry.get("identitytoken"):
            return Account(_IDENTITY_USER, str(entry["identitytoken"]), identity=True)
        if entry.get("username") and entry.get("password"):
            return Account(str(entry["username"]), str(entry["password"]))
        try:
            return _of_basic(str(entry["auth"])) if entry.get("auth") else None
        except ValueError as error:
            log.warning("%s, entry %s: %s", self._path, key, error)
            return None

    def _of_helper(self, name: object, key: str) -> Account | None:
        if not isinstance(name, str) or not _HELPER_NAME.fullmatch(name):
            return None
        try:
            answer = json.loads(self._run(name, key))
            user, secret = answer["Username"], answer["Secret"]
        except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
            # "credentials not found" is a failure of the helper too, and the usual one.
            return None
        return Account(str(user), str(secret), identity=user == _IDENTITY_USER) if secret else None
