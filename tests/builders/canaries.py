"""Secrets of every kind that can be configured, each a word that can be found wherever it turns up."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

from chalicelib.adapters.registry.providers import PROVIDERS
from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container
from chalicelib.domain.trigger_options import OPTIONS
from local_runtime.executor.reporting.report import Report
from local_runtime.executor.security.bulletin import Bulletin
from local_runtime.executor.watching.inventory import details
from local_runtime.executor.watching.progress import Progress

WORD = "canary"

ENVIRONMENT = (
    "TZ=Europe/Berlin",
    f"DATABASE_PASSWORD={WORD}-env-password",
    f"API_KEY={WORD}-env-key",
    f"SMTP_PASS={WORD}-env-pass",
    f"DATABASE_URL=postgres://app:{WORD}-env-url@db:5432/app",
)
"""Of a container."""

ACCESS = {
    "DD_SESSION_SECRET": f"{WORD}-session-secret-of-32-characters",
    "DD_SERVER_METRICS_TOKEN": f"{WORD}-metrics-token",
    "DD_SERVER_WEBHOOK_ENABLED": "true",
    "DD_SERVER_WEBHOOK_SECRET": f"{WORD}-webhook-secret",
    "DD_SERVER_WEBHOOK_TOKENS_WATCHALL": f"{WORD}-webhook-watchall",
    "DD_SERVER_WEBHOOK_TOKENS_WATCH": f"{WORD}-webhook-watch",
    "DD_SERVER_WEBHOOK_TOKENS_UPDATE": f"{WORD}-webhook-update",
    "DD_AUTH_BASIC_EVE_USER": "eve",
    "DD_AUTH_BASIC_EVE_HASH": f"$argon2id$v=19$m=65536,t=3,p=4${WORD}hash${WORD}hash",
    "DD_AUTH_OIDC_ONE_CLIENTID": "slipway",
    "DD_AUTH_OIDC_ONE_CLIENTSECRET": f"{WORD}-oidc-secret",
    "DD_AUTH_OIDC_ONE_DISCOVERY": "https://127.0.0.1:1/.well-known/openid-configuration",
    "DD_AUTH_OIDC_WRONG_CLIENTID": "slipway",
    "DD_AUTH_OIDC_WRONG_CLIENTSECRET": f"{WORD}-oidc-wrong",
    "DD_AUTH_OIDC_WRONG_DISCOVERY": f"http://admin:{WORD}-oidc-discovery@idp.test/",
    "AWS_SECRET_ACCESS_KEY": f"{WORD}-aws-secret",
    "DD_RELEASE_NOTES_GITHUB_TOKEN": f"{WORD}-github-token",
    "DD_RELEASE_NOTES_GITEA_OWN_TOKEN": f"{WORD}-gitea-token",
}

WATCHERS = {
    "DD_WATCHER_LOCAL_HOST": f"https://docker:{WORD}-watcher-url@docker.test:2376",
    "DD_WATCHER_LOCAL_AUTH_USER": "docker",
    "DD_WATCHER_LOCAL_AUTH_PASSWORD": f"{WORD}-watcher-password",
    "DD_WATCHER_BEARER_HOST": "https://docker.test",
    "DD_WATCHER_BEARER_AUTH_BEARER": f"{WORD}-watcher-bearer",
    "DD_WATCHER_OIDC_HOST": "https://docker.test",
    "DD_WATCHER_OIDC_AUTH_OIDC_CLIENTID": "slipway",
    "DD_WATCHER_OIDC_AUTH_OIDC_CLIENTSECRET": f"{WORD}-watcher-oidc",
    "DD_WATCHER_OIDC_AUTH_OIDC_TOKENURL": "https://idp.test/token",
    "DD_WATCHER_SSH_HOST": f"ssh://root:{WORD}-watcher-ssh@docker.test:99999",
}


def _registries() -> Iterator[tuple[str, str]]:
    for provider in PROVIDERS:
        prefix = f"DD_REGISTRY_{provider.kind.upper()}_PUBLIC_"
        if provider.self_hosted:
            yield f"{prefix}URL", f"https://{provider.kind}.test"
        for name in ("LOGIN", "USERNAME", "CLIENTID", "ACCESSKEYID", "NAMESPACE", "ACCOUNT", "CLIENTEMAIL"):
            yield f"{prefix}{name}", "somebody"
        for secret in provider.secrets:
            yield f"{prefix}{secret.upper()}", f"{WORD}-registry-{provider.kind}-{secret}"
    basic = base64.b64encode(f"somebody:{WORD}-registry-auth".encode()).decode()
    yield from {
        "DD_REGISTRY_CUSTOM_AUTH_URL": "https://auth.test",
        "DD_REGISTRY_CUSTOM_AUTH_AUTH": basic,
        "DD_REGISTRY_CUSTOM_URL_URL": f"https://somebody:{WORD}-registry-url@url.test",
    }.items()


_SERVER = {
    "gotify": f"https://gotify.test/?token={WORD}-gotify-query",
    "matrix": f"https://somebody:{WORD}-matrix-url@matrix.test",
    "mqtt": f"mqtts://somebody:{WORD}-mqtt-url@broker.test:8883",
    "ntfy": f"https://somebody:{WORD}-ntfy-url@ntfy.test",
}
"""Addresses that are shown, but for the password within them."""
_OTHER = {
    "cmd": f"SECRET_TOKEN={WORD}-command-variable curl -H 'Authorization: Bearer {WORD}-command-word' https://x.test",
    "proxy": f"http://somebody:{WORD}-proxy@proxy.test:3128",
    "brokers": "kafka.test:9092",
}


def _triggers() -> Iterator[tuple[str, str]]:
    for kind, options in OPTIONS.items():
        if kind in ("docker", "dockercompose"):
            continue
        prefix = f"DD_{'ACTION' if kind == 'command' else 'NOTIFICATION'}_{kind.upper()}_ONE_"
        for option in options:
            value = _OTHER.get(option.name, "somebody" if option.required else None)
            if option.secret:
                value = f"{WORD}-{kind}-{option.name.replace('.', '-')}"
                value = f"https://{kind}.test/hooks/{value}" if option.name in ("url", "urls") else value
            elif option.name == "url":
                value = _SERVER[kind]
            if value is not None:
                yield f"{prefix}{option.name.upper().replace('.', '_')}", value


REGISTRIES, TRIGGERS = dict(_registries()), dict(_triggers())
SETTINGS: Mapping[str, str] = {**ACCESS, **WATCHERS, **REGISTRIES, **TRIGGERS}


def furnished(one: Container) -> Container:
    """The container as an executor stores it whose engine shows that environment."""
    return replace(one, details=details({"Config": {"Env": list(ENVIRONMENT)}, "State": {}}))


def report(services: Services) -> None:
    """The heartbeat of an executor with these settings."""
    watchers = {
        one.name: SimpleNamespace(settings=one, progress=Progress(one.name, services.clock), problem=one.problem)
        for one in services.settings.watchers
    }
    Report(services, "owner", cast("Any", watchers), lambda: {"scanner": "trivy"}, Bulletin(services.clock)).send()


def _encoded() -> Iterator[str]:
    """What base64 makes of the word, wherever in a text it begins."""
    for before in range(3):
        text = base64.b64encode(b"\0" * before + WORD.encode() + b"\0\0").decode()
        yield text[(before * 8 + 5) // 6 : (before + len(WORD)) * 8 // 6]


_SHOWN = re.compile("|".join((f"(?i:{WORD})", *map(re.escape, _encoded()))))


def found(text: bytes | str) -> list[str]:
    """Every place where one of the secrets shows, as it is or as a part of what Basic makes of it."""
    plain = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return [plain[max(0, one.start() - 60) : one.end() + 30] for one in _SHOWN.finditer(plain)]
