"""The only reader of the environment: `DD_*` as the reference names them, `SLIPWAY_*` for what only we have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib import VERSION
from chalicelib.domain.account import phc
from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.hook import HookRules
from chalicelib.domain.webhook import NO_WEBHOOKS, WebhookRules
from chalicelib.settings_hooks import read_hooks
from chalicelib.settings_oidc import OidcSettings, read_oidc
from chalicelib.settings_reader import BadSetting as BadSetting
from chalicelib.settings_reader import Reader, components
from chalicelib.settings_security import SecuritySettings, read_security
from chalicelib.settings_triggers import TriggerSettings, read_triggers
from chalicelib.settings_watchers import WatcherSettings as WatcherSettings
from chalicelib.settings_watchers import read_watchers, read_webhook

_FEATURES = ("containeractions", "delete", "webhook")


@dataclass(frozen=True, slots=True)
class DockerActionSettings:
    """One docker action: how containers of its agent are updated."""

    name: str
    prune: bool = False
    dry_run: bool = False
    backup_count: int = 3


@dataclass(frozen=True, slots=True)
class ForgeSettings:
    """A forge that may be asked for release notes: `url` of its pages, `api` where its kind does not say it."""

    kind: str
    url: str
    api: str | None = None
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be configured, checked."""

    version: str = VERSION
    agent: str = LOCAL_AGENT
    host: str = "127.0.0.1"
    port: int = 3000
    data: Path = Path(".slipway")
    region: str = "us-east-1"
    dynamodb_url: str | None = None
    sqs_url: str | None = None
    access_key: tuple[str, str] | None = field(default=None, repr=False)
    """Id and secret for the store, and for a queue at the same address; absent means botocore's own chain."""
    queue_key: tuple[str, str] | None = field(default=None, repr=False)
    """The same for a queue that is elsewhere."""
    table_prefix: str = "slipway-"
    queue_prefix: str = "slipway-"
    create_tables: bool = False
    log_level: str = "info"
    anonymous: bool = False
    basic_users: Mapping[str, str] = field(default_factory=dict, repr=False)
    session_secret: str | None = field(default=None, repr=False)
    features: frozenset[str] = frozenset({"containeractions", "delete"})
    compat_wud: bool = True
    trust_proxy: bool = False
    most_connections: int = 800
    cors_enabled: bool = False
    cors_origin: str = "*"
    cors_methods: str = "GET,HEAD,PUT,PATCH,POST,DELETE"
    compression: bool = True
    compression_threshold: int = 1024
    rate_limit_max: int = 3000
    rate_limit_by_identity: bool = False
    cookie_samesite: str = "lax"
    account_lockout_attempts: int = 5
    address_lockout_attempts: int = 25
    lockout_window_ms: int = 900_000
    lockout_duration_ms: int = 900_000
    oidc: tuple[OidcSettings, ...] = ()
    metrics_auth: bool = True
    metrics_token: str | None = field(default=None, repr=False)
    public_url: str | None = None
    command_wait_seconds: float = 300.0
    operations_kept: int = 50
    operations_days: int = 30
    liveness_grace_ms: int = 2000
    health_gate_seconds: int = 120
    update_max_concurrent: int = 4
    registry_timeout_ms: int = 30000
    docker_config: Path | None = None
    registry_window_seconds: int = 120
    webhook: WebhookRules = NO_WEBHOOKS
    connections_url: str | None = None
    """Where executors reach this server with what they have for its WebSockets; absent where they share its machine."""
    stats_interval: int = 10
    stats_history: int = 60
    watchers: tuple[WatcherSettings, ...] = (WatcherSettings("local"),)
    docker_actions: tuple[DockerActionSettings, ...] = (DockerActionSettings("local"),)
    triggers: TriggerSettings = field(default_factory=TriggerSettings)
    registries: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict, repr=False)
    forges: tuple[ForgeSettings, ...] = ()
    github_token: str | None = field(default=None, repr=False)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    hooks: HookRules = field(default_factory=HookRules)
    problems: tuple[str, ...] = ()
    """Components that were skipped because their settings are wrong, one sentence each."""


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this environment; a bad component is skipped and named. Raises BadSetting for the rest."""
    reader = Reader(os.environ if environment is None else environment)
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in reader.environment
    defaults = Settings()
    problems: list[str] = []
    store = _store(reader)
    return Settings(
        agent=reader.name("SLIPWAY_AGENT", defaults.agent),
        host=reader.text("DD_SERVER_HOST", defaults.host),
        port=reader.number("DD_SERVER_PORT", defaults.port, 0, 65535),
        data=Path(reader.text("SLIPWAY_DATA", str(defaults.data))),
        region=reader.text("AWS_REGION", reader.text("AWS_DEFAULT_REGION", defaults.region)),
        **store,
        table_prefix=reader.text("SLIPWAY_TABLE_PREFIX", defaults.table_prefix),
        queue_prefix=reader.text("SLIPWAY_QUEUE_PREFIX", defaults.queue_prefix),
        create_tables=reader.flag("SLIPWAY_CREATE_TABLES", not on_lambda and _is_local(store["dynamodb_url"])),
        log_level=reader.one_of("DD_LOG_LEVEL", ("trace", "debug", "info", "warn", "error"), defaults.log_level),
        anonymous=reader.flag("DD_ANONYMOUS_AUTH_CONFIRM", False),
        basic_users=_basic_users(reader),
        session_secret=_secret(reader, "DD_SESSION_SECRET"),
        features=frozenset(
            name for name in _FEATURES if reader.flag(f"DD_SERVER_FEATURE_{name.upper()}", name in defaults.features)
        ),
        compat_wud=reader.flag("DD_COMPAT_WUD", defaults.compat_wud),
        trust_proxy=reader.flag("DD_SERVER_TRUSTPROXY", defaults.trust_proxy),
        most_connections=reader.number("DD_SERVER_CONNECTIONS", defaults.most_connections, 4, 100_000),
        cors_enabled=reader.flag("DD_SERVER_CORS_ENABLED", defaults.cors_enabled),
        cors_origin=reader.text("DD_SERVER_CORS_ORIGIN", defaults.cors_origin),
        cors_methods=reader.text("DD_SERVER_CORS_METHODS", defaults.cors_methods),
        compression=reader.flag("DD_SERVER_COMPRESSION_ENABLED", defaults.compression),
        compression_threshold=reader.number(
            "DD_SERVER_COMPRESSION_THRESHOLD", defaults.compression_threshold, 0, 1 << 30
        ),
        rate_limit_max=reader.number("DD_SERVER_RATELIMIT_MAX", defaults.rate_limit_max, 1, 1_000_000),
        rate_limit_by_identity=reader.flag("DD_SERVER_RATELIMIT_IDENTITYKEYING", defaults.rate_limit_by_identity),
        cookie_samesite=reader.one_of("DD_SERVER_COOKIE_SAMESITE", ("lax", "strict", "none"), defaults.cookie_samesite),
        account_lockout_attempts=reader.number(
            "DD_AUTH_ACCOUNT_LOCKOUT_MAX_ATTEMPTS", defaults.account_lockout_attempts, 1, 1000
        ),
        address_lockout_attempts=reader.number(
            "DD_AUTH_IP_LOCKOUT_MAX_ATTEMPTS", defaults.address_lockout_attempts, 1, 10_000
        ),
        lockout_window_ms=reader.number("DD_AUTH_LOCKOUT_WINDOW_MS", defaults.lockout_window_ms, 1000, 86_400_000),
        lockout_duration_ms=reader.number(
            "DD_AUTH_LOCKOUT_DURATION_MS", defaults.lockout_duration_ms, 1000, 86_400_000
        ),
        oidc=read_oidc(reader, problems),
        metrics_auth=reader.flag("DD_SERVER_METRICS_AUTH", defaults.metrics_auth),
        metrics_token=_secret(reader, "DD_SERVER_METRICS_TOKEN"),
        public_url=reader.get("DD_PUBLIC_URL"),
        command_wait_seconds=reader.number("DD_SERVER_COMMAND_WAIT_SECONDS", 25 if on_lambda else 300, 0, 3600),
        operations_kept=reader.number("DD_UPDATE_OPERATION_MAX_ENTRIES", defaults.operations_kept, 1, 500),
        operations_days=reader.number("DD_UPDATE_OPERATION_RETENTION_DAYS", defaults.operations_days, 1, 3650),
        liveness_grace_ms=reader.number(
            "DD_UPDATE_POST_START_LIVENESS_GRACE_MS", defaults.liveness_grace_ms, 0, 600_000
        ),
        health_gate_seconds=reader.number("DD_UPDATE_HEALTH_GATE_SECONDS", defaults.health_gate_seconds, 1, 3600),
        update_max_concurrent=reader.number("DD_UPDATE_MAX_CONCURRENT", defaults.update_max_concurrent, 0, 64) or 64,
        registry_timeout_ms=reader.number("DD_OUTBOUND_HTTP_TIMEOUT_MS", defaults.registry_timeout_ms, 100, 600_000),
        docker_config=_docker_config(reader),
        registry_window_seconds=reader.number(
            "SLIPWAY_REGISTRY_WINDOW_SECONDS", defaults.registry_window_seconds, 0, 3600
        ),
        webhook=read_webhook(reader),
        connections_url=reader.get("SLIPWAY_CONNECTIONS_URL"),
        stats_interval=reader.number("DD_STATS_INTERVAL", defaults.stats_interval, 1, 3600),
        stats_history=reader.number("DD_STATS_HISTORYSIZE", defaults.stats_history, 1, 500),
        watchers=read_watchers(reader, problems),
        docker_actions=_docker_actions(reader, problems),
        triggers=read_triggers(reader, problems),
        registries=reader.tree("DD_REGISTRY_"),
        forges=tuple(_forges(reader, problems)),
        github_token=reader.get("DD_RELEASE_NOTES_GITHUB_TOKEN"),
        security=read_security(reader),
        hooks=read_hooks(reader),
        problems=tuple(problems),
    )


def _forges(reader: Reader, problems: list[str]) -> list[ForgeSettings]:
    found = []
    for kind in ("github", "gitlab", "gitea"):
        for name in reader.names(f"DD_RELEASE_NOTES_{kind.upper()}_"):
            prefix = f"DD_RELEASE_NOTES_{kind.upper()}_{name}_"
            url = reader.get(f"{prefix}URL")
            if url and re.match(r"https?://[^/@\s]+$", url.rstrip("/")):
                api, token = reader.get(f"{prefix}API"), reader.get(f"{prefix}TOKEN")
                found.append(ForgeSettings(kind, url.rstrip("/"), api, token))
            elif url:
                problems.append(f"{prefix}URL must be the address of a forge, such as https://git.example.com")
    return found


def _docker_actions(reader: Reader, problems: list[str]) -> tuple[DockerActionSettings, ...]:
    if (reader.get("DD_ACTION_DOCKER_LOCAL") or "").lower() == "false":
        return ()
    found: dict[str, DockerActionSettings] = {}
    for prefix in ("DD_TRIGGER_DOCKER_", "DD_ACTION_DOCKER_"):
        for action in components(reader, prefix, problems, lambda name, at: _docker_action(reader, name, at)):
            found[action.name] = action
    return tuple(found.values()) or (DockerActionSettings(LOCAL_AGENT),)


def _docker_action(reader: Reader, name: str, prefix: str) -> DockerActionSettings:
    return DockerActionSettings(
        name=name,
        prune=reader.flag(f"{prefix}PRUNE", False),
        dry_run=reader.flag(f"{prefix}DRYRUN", False),
        backup_count=reader.number(f"{prefix}BACKUPCOUNT", 3, 1, 100),
    )


def _store(reader: Reader) -> dict[str, Any]:
    """Where the store and the queue are, and the key for each."""
    store = reader.get("AWS_ENDPOINT_URL_DYNAMODB") or reader.get("AWS_ENDPOINT_URL")
    queue = reader.get("AWS_ENDPOINT_URL_SQS") or reader.get("AWS_ENDPOINT_URL")
    keys = {"access_key": _access_key(reader, store), "queue_key": _access_key(reader, queue)}
    return {"dynamodb_url": store, "sqs_url": queue, **keys}


def _is_local(url: str | None) -> bool:
    """Whether that is an emulator on this machine, whose tables are ours to make."""
    return bool(re.match(r"https?://(127\.|localhost\b|\[::1\])", url or ""))


def _access_key(reader: Reader, url: str | None) -> tuple[str, str] | None:
    """Our own store's key at its address alone. Emulators check none, but no request is signed without one."""
    key = reader.get("SLIPWAY_STORE_KEY")
    if key:
        name, colon, secret = key.strip().partition(":")
        if not (name and colon and secret):
            raise BadSetting("SLIPWAY_STORE_KEY must be the line id:secret of the store's own store.key")
        addresses = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL_SQS")
        own = next((found for one in addresses if (found := reader.get(one))), None)
        if url == own:
            return name, secret
    if not _is_local(url):
        return None
    return reader.text("AWS_ACCESS_KEY_ID", "test"), reader.text("AWS_SECRET_ACCESS_KEY", "test")


def _secret(reader: Reader, name: str) -> str | None:
    """A short one could be guessed: nothing slows down who tries tokens there, or keys on a cookie of his own."""
    secret = reader.get(name) or None
    if secret is not None and len(secret) < 16:
        raise BadSetting(f"{name} must have at least 16 characters")
    return secret


def _docker_config(reader: Reader) -> Path | None:
    """Docker's own credentials: `DOCKER_CONFIG`, else `~/.docker`, when there are any."""
    folder = reader.get("DOCKER_CONFIG") or (Path(reader.text("HOME", "/nonexistent")) / ".docker")
    file = Path(folder) / "config.json"
    return file if file.is_file() else None


def _basic_users(reader: Reader) -> dict[str, str]:
    """User name to password hash (PHC) of every `DD_AUTH_BASIC_{name}_USER` and `_HASH`; both are needed."""
    users = {}
    for name in reader.names("DD_AUTH_BASIC_"):
        user, hashed = reader.get(f"DD_AUTH_BASIC_{name}_USER"), reader.get(f"DD_AUTH_BASIC_{name}_HASH")
        if not user or not hashed:
            raise BadSetting(f"DD_AUTH_BASIC_{name}_USER and DD_AUTH_BASIC_{name}_HASH must both be set")
        try:
            users[user] = phc(hashed)
        except ValueError as error:
            raise BadSetting(f"DD_AUTH_BASIC_{name}_HASH: {error}") from error
    return users
