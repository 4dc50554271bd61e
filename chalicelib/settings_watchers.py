"""The settings of watchers and of webhooks: `DD_WATCHER_*` and `DD_SERVER_WEBHOOK_*`, read by `config`."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chalicelib.domain.client_credentials import ClientCredentials
from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.image_set import ImageSet
from chalicelib.domain.policy import LONGEST_DAYS, MODES, NO_POLICY, Policy
from chalicelib.domain.webhook import WebhookRules
from chalicelib.settings_reader import BadSetting, Reader, components, cron

_OIDC = "oidc"
_GRANT = "client_credentials"
_SSH_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:-]*")
"""A host or a user that ssh cannot take for an option."""


@dataclass(frozen=True, slots=True)
class WatcherSettings:
    """One Docker engine to watch: how to reach it and when to look."""

    name: str
    base_url: str = field(default="unix:///var/run/docker.sock", repr=False)
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    cron: str = "0 * * * *"
    jitter_ms: int = 60000
    watch_by_default: bool = True
    watch_all: bool = False
    watch_events: bool = True
    watch_at_start: bool = True
    policy: Policy = NO_POLICY
    tag_family: str | None = None
    image_sets: tuple[ImageSet, ...] = ()
    window: str | None = None
    """A cron expression for the minutes in which scheduled scans may begin; absent means any time."""
    window_zone: str = "UTC"
    authorization: str | None = field(default=None, repr=False)
    """The header for a proxy in front of the engine."""
    login: ClientCredentials | None = None
    """What a proxy in front of the engine is shown instead: a token by these."""
    ssh_key: str | None = None
    ssh_known_hosts: str | None = None
    discovery_settle_ms: int = 0
    """How long a new container must have been there before it is shown."""
    problem: str | None = None
    """Why this engine cannot be reached as it is configured; the watcher is shown with it, and watches nothing."""


def read_watchers(reader: Reader, problems: list[str]) -> tuple[WatcherSettings, ...]:
    found = components(reader, "DD_WATCHER_", problems, lambda name, prefix: _watcher(reader, name, prefix))
    if not found and not reader.names("DD_WATCHER_") and reader.flag("DD_LOCAL_WATCHER", True):
        return (WatcherSettings(LOCAL_AGENT),)
    return tuple(found)


def _watcher(reader: Reader, name: str, prefix: str) -> WatcherSettings:
    defaults = WatcherSettings(name)
    files: dict[str, Any] = {
        "ca_file": reader.get(f"{prefix}CAFILE"),
        "cert_file": reader.get(f"{prefix}CERTFILE"),
        "key_file": reader.get(f"{prefix}KEYFILE"),
    }
    return WatcherSettings(
        name=name,
        base_url=_engine_url(reader, prefix, secure=any(files.values())),
        cron=cron(f"{prefix}CRON", reader.text(f"{prefix}CRON", defaults.cron)),
        jitter_ms=reader.number(f"{prefix}JITTER", defaults.jitter_ms, 0, 86_400_000),
        watch_by_default=reader.flag(f"{prefix}WATCHBYDEFAULT", defaults.watch_by_default),
        watch_all=reader.flag(f"{prefix}WATCHALL", defaults.watch_all),
        watch_events=reader.flag(f"{prefix}WATCHEVENTS", defaults.watch_events),
        watch_at_start=reader.flag(f"{prefix}WATCHATSTART", defaults.watch_at_start),
        policy=_watcher_policy(reader, prefix),
        tag_family=_family(reader, f"{prefix}TAG_FAMILY"),
        image_sets=_image_sets(reader, prefix + "IMGSET_"),
        window=_optional_cron(reader, f"{prefix}MAINTENANCE_WINDOW"),
        window_zone=_zone(reader, f"{prefix}MAINTENANCE_WINDOW_TZ"),
        authorization=_authorization(reader, prefix),
        login=_login(reader, prefix),
        ssh_key=reader.get(f"{prefix}SSH_KEYFILE"),
        ssh_known_hosts=reader.get(f"{prefix}SSH_KNOWNHOSTS"),
        discovery_settle_ms=reader.number(f"{prefix}DISCOVERY_SETTLE_MS", defaults.discovery_settle_ms, 0, 3_600_000),
        problem=_obstacle(reader, prefix, secure=any(files.values())),
        **files,
    )


def _family(reader: Reader, variable: str) -> str | None:
    return reader.one_of(variable, ("strict", "loose"), "strict") if reader.has(variable) else None


def _image_sets(reader: Reader, prefix: str) -> tuple[ImageSet, ...]:
    """Every `DD_WATCHER_{name}_IMGSET_{set}_*`; each needs an IMAGE."""
    found = []
    for name in reader.names(prefix.upper()):
        found.append(_image_set(reader, name.lower(), f"{prefix}{name}_"))
    return tuple(found)


def _image_set(reader: Reader, name: str, prefix: str) -> ImageSet:
    variables = {
        "tag.include": f"{prefix}TAG_INCLUDE",
        "tag.exclude": f"{prefix}TAG_EXCLUDE",
        "tag.transform": f"{prefix}TAG_TRANSFORM",
        "tag.family": f"{prefix}TAG_FAMILY",
        "link.template": f"{prefix}LINK_TEMPLATE",
        "display.name": f"{prefix}DISPLAY_NAME",
        "display.icon": f"{prefix}DISPLAY_ICON",
        "trigger.include": f"{prefix}TRIGGER_INCLUDE",
        "trigger.exclude": f"{prefix}TRIGGER_EXCLUDE",
        "watch.digest": f"{prefix}WATCH_DIGEST",
        "inspect.tag.path": f"{prefix}INSPECT_TAG_PATH",
        "registry.lookup.image": f"{prefix}REGISTRY_LOOKUP_IMAGE",
        "registry.lookup.url": f"{prefix}REGISTRY_LOOKUP_URL",
    }
    values = {name: reader.get(variable) for name, variable in variables.items()}
    found = ImageSet(name, reader.text(f"{prefix}IMAGE", ""), {key: value for key, value in values.items() if value})
    if not found.readable:
        raise BadSetting(f"{prefix}IMAGE must name images, such as ghcr.io/home-assistant/*, not {found.image!r}")
    return found


def _optional_cron(reader: Reader, variable: str) -> str | None:
    expression = reader.get(variable)
    return cron(variable, expression) if expression else None


def _zone(reader: Reader, variable: str) -> str:
    name = reader.text(variable, "UTC")
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise BadSetting(f"{variable} must be a time zone such as Europe/Berlin, not {name!r}") from error


def _authorization(reader: Reader, prefix: str) -> str | None:
    kind = (reader.get(f"{prefix}AUTH_TYPE") or "").strip().lower()
    user, password = reader.get(f"{prefix}AUTH_USER"), reader.get(f"{prefix}AUTH_PASSWORD")
    bearer = reader.get(f"{prefix}AUTH_BEARER")
    if kind in ("", "bearer") and bearer:
        return f"Bearer {bearer}"
    if kind in ("", "basic") and user and password:
        return "Basic " + b64encode(f"{user}:{password}".encode()).decode()
    if (kind and kind != _OIDC) or user or password:
        raise BadSetting(
            f"{prefix}AUTH_TYPE must be basic, with {prefix}AUTH_USER and {prefix}AUTH_PASSWORD, "
            f"bearer, with {prefix}AUTH_BEARER, or oidc, with {prefix}AUTH_OIDC_CLIENTID"
        )
    return None


def _login(reader: Reader, prefix: str) -> ClientCredentials | None:
    kind = (reader.get(f"{prefix}AUTH_TYPE") or "").strip().lower()
    client, secret = reader.get(f"{prefix}AUTH_OIDC_CLIENTID"), reader.get(f"{prefix}AUTH_OIDC_CLIENTSECRET")
    token_url, discovery = reader.get(f"{prefix}AUTH_OIDC_TOKENURL"), reader.get(f"{prefix}AUTH_OIDC_DISCOVERY")
    if kind not in ("", _OIDC) or not (kind or client or secret or token_url or discovery):
        return None
    if not client or not secret or not (token_url or discovery):
        raise BadSetting(
            f"{prefix}AUTH_OIDC_CLIENTID, {prefix}AUTH_OIDC_CLIENTSECRET and {prefix}AUTH_OIDC_TOKENURL "
            f"(or {prefix}AUTH_OIDC_DISCOVERY) are needed together"
        )
    if reader.text(f"{prefix}AUTH_OIDC_GRANTTYPE", _GRANT) != _GRANT or reader.get(f"{prefix}AUTH_OIDC_DEVICEURL"):
        raise BadSetting(f"{prefix}AUTH_OIDC_GRANTTYPE must be {_GRANT}: nobody is there to log in another way")
    return ClientCredentials(
        client,
        secret,
        token_url or None,
        discovery or None,
        scope=reader.get(f"{prefix}AUTH_OIDC_SCOPE") or None,
        audience=reader.get(f"{prefix}AUTH_OIDC_AUDIENCE") or None,
        resource=reader.get(f"{prefix}AUTH_OIDC_RESOURCE") or None,
        insecure=reader.flag(f"{prefix}AUTH_INSECURE", False),
    )


def _obstacle(reader: Reader, prefix: str, *, secure: bool) -> str | None:
    """Why an engine must not, or cannot, be spoken to as these settings say."""
    url = _engine_url(reader, prefix, secure=secure)
    if url.startswith("ssh://"):
        return _ssh_obstacle(url, prefix)
    if not url.startswith(("unix://", "tcp://", "http://", "https://")):
        return f"{prefix}HOST must be a host name, or an address that begins with tcp, http, https or ssh."
    insecure = reader.flag(f"{prefix}AUTH_INSECURE", False)
    login = _login(reader, prefix)
    encrypted = secure or url.startswith(("https://", "unix://"))
    if (login or _authorization(reader, prefix)) and not encrypted and not insecure:
        return f"Credentials are not sent over plain http. Use https, or allow it with {prefix}AUTH_INSECURE=true."
    if login and not login.trusts(login.token_url or login.discovery or ""):
        return f"The secret is not sent over plain http. Use https, or allow it with {prefix}AUTH_INSECURE=true."
    return None


def _ssh_obstacle(url: str, prefix: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return f"{prefix}HOST has no port that can be meant."
    if parts.password is not None:
        return f"{prefix}HOST: no password is sent over ssh. Let a key in, and name it with {prefix}SSH_KEYFILE."
    if not _SSH_WORD.fullmatch(host) or not _SSH_WORD.fullmatch(parts.username or "root") or ":" in parts.path:
        return f"{prefix}HOST must be an address such as ssh://user@host, ssh://user@host:22/var/run/docker.sock."
    return None


def _watcher_policy(reader: Reader, prefix: str) -> Policy:
    """What a watcher says about the updates of its containers."""
    mode, days = f"{prefix}MATURITY_MODE", f"{prefix}MATURITY_MIN_AGE_DAYS"
    policy = Policy(
        maturity_mode=reader.one_of(mode, MODES, MODES[0]) if reader.has(mode) else None,
        maturity_min_age_days=reader.number(days, 0, 1, LONGEST_DAYS) if reader.has(days) else None,
    )
    return NO_POLICY if policy.empty else policy


def _engine_url(reader: Reader, prefix: str, *, secure: bool) -> str:
    host = reader.get(f"{prefix}HOST")
    if not host:
        return "unix://" + reader.text(f"{prefix}SOCKET", "/var/run/docker.sock")
    if "://" in host:
        return host
    scheme = reader.one_of(f"{prefix}PROTOCOL", ("http", "https"), "https" if secure else "http")
    return f"{scheme}://{host}:{reader.number(f'{prefix}PORT', 2375, 1, 65535)}"


def read_webhook(reader: Reader) -> WebhookRules:
    """Every endpoint has a token of its own, or all share one."""
    shared = reader.get("DD_SERVER_WEBHOOK_TOKEN")
    own = {
        "watchall": reader.get("DD_SERVER_WEBHOOK_TOKENS_WATCHALL"),
        "watch": reader.get("DD_SERVER_WEBHOOK_TOKENS_WATCH"),
        "update": reader.get("DD_SERVER_WEBHOOK_TOKENS_UPDATE"),
    }
    if any(own.values()) and not all(own.values()):
        missing = ", ".join(f"DD_SERVER_WEBHOOK_TOKENS_{name.upper()}" for name, value in own.items() if not value)
        raise BadSetting(f"Each webhook has a token of its own, or none has: {missing} must be set as well")
    return WebhookRules(
        enabled=reader.flag("DD_SERVER_WEBHOOK_ENABLED", False),
        secret=reader.get("DD_SERVER_WEBHOOK_SECRET") or None,
        tokens={name: value or shared or "" for name, value in own.items() if value or shared},
    )
