"""The only reader of the environment: `DD_*` as the reference names them, `SLIPWAY_*` for what only we have."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from chalicelib import VERSION
from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.policy import LONGEST_DAYS, MODES, NO_POLICY, Policy
from chalicelib.settings_security import SecuritySettings, read_security

_FILE_LIMIT = 1024 * 1024
_NAME = re.compile(r"^[a-z0-9][a-z0-9._-]{0,62}$")
_FEATURES = ("containeractions", "delete", "webhook")
Value = TypeVar("Value")


class BadSetting(Exception):
    """A setting that cannot be used; the message names its variable and what is allowed."""


@dataclass(frozen=True, slots=True)
class WatcherSettings:
    """One Docker engine to watch: how to reach it and when to look."""

    name: str
    base_url: str = "unix:///var/run/docker.sock"
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
    token: str | None = None


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
    access_key: tuple[str, str] | None = None
    """Given for an endpoint that checks none; absent means botocore's own chain of credentials."""
    table_prefix: str = "slipway-"
    queue_prefix: str = "slipway-"
    create_tables: bool = False
    log_level: str = "info"
    anonymous: bool = False
    basic_users: Mapping[str, str] = field(default_factory=dict)
    session_secret: str | None = None
    features: frozenset[str] = frozenset({"containeractions", "delete"})
    compat_wud: bool = True
    trust_proxy: bool = False
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
    metrics_auth: bool = True
    metrics_token: str | None = None
    public_url: str | None = None
    command_wait_seconds: float = 300.0
    operations_kept: int = 50
    operations_days: int = 30
    liveness_grace_ms: int = 2000
    health_gate_seconds: int = 120
    update_max_concurrent: int = 4
    registry_timeout_ms: int = 30000
    docker_config: Path | None = None
    connections_url: str | None = None
    """Where executors reach this server with what they have for its WebSockets; absent where they share its machine."""
    stats_interval: int = 10
    stats_history: int = 60
    watchers: tuple[WatcherSettings, ...] = (WatcherSettings("local"),)
    docker_actions: tuple[DockerActionSettings, ...] = (DockerActionSettings("local"),)
    registries: Mapping[str, Mapping[str, Mapping[str, str]]] = field(default_factory=dict)
    forges: tuple[ForgeSettings, ...] = ()
    github_token: str | None = None
    security: SecuritySettings = field(default_factory=SecuritySettings)
    problems: tuple[str, ...] = ()
    """Components that were skipped because their settings are wrong, one sentence each."""


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this environment; a bad component is skipped and named. Raises BadSetting for the rest."""
    reader = _Reader(os.environ if environment is None else environment)
    on_lambda = "AWS_LAMBDA_FUNCTION_NAME" in reader.environment
    defaults = Settings()
    problems: list[str] = []
    return Settings(
        agent=reader.name("SLIPWAY_AGENT", defaults.agent),
        host=reader.text("DD_SERVER_HOST", defaults.host),
        port=reader.number("DD_SERVER_PORT", defaults.port, 0, 65535),
        data=Path(reader.text("SLIPWAY_DATA", str(defaults.data))),
        region=reader.text("AWS_REGION", reader.text("AWS_DEFAULT_REGION", defaults.region)),
        dynamodb_url=reader.get("AWS_ENDPOINT_URL_DYNAMODB") or reader.get("AWS_ENDPOINT_URL"),
        sqs_url=reader.get("AWS_ENDPOINT_URL_SQS") or reader.get("AWS_ENDPOINT_URL"),
        access_key=_access_key(reader),
        table_prefix=reader.text("SLIPWAY_TABLE_PREFIX", defaults.table_prefix),
        queue_prefix=reader.text("SLIPWAY_QUEUE_PREFIX", defaults.queue_prefix),
        create_tables=reader.flag("SLIPWAY_CREATE_TABLES", not on_lambda and _is_local(reader)),
        log_level=reader.one_of("DD_LOG_LEVEL", ("trace", "debug", "info", "warn", "error"), defaults.log_level),
        anonymous=reader.flag("DD_ANONYMOUS_AUTH_CONFIRM", False),
        basic_users=_basic_users(reader),
        session_secret=reader.get("DD_SESSION_SECRET"),
        features=frozenset(
            name for name in _FEATURES if reader.flag(f"DD_SERVER_FEATURE_{name.upper()}", name in defaults.features)
        ),
        compat_wud=reader.flag("DD_COMPAT_WUD", defaults.compat_wud),
        trust_proxy=reader.flag("DD_SERVER_TRUSTPROXY", defaults.trust_proxy),
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
        metrics_auth=reader.flag("DD_SERVER_METRICS_AUTH", defaults.metrics_auth),
        metrics_token=_metrics_token(reader),
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
        connections_url=reader.get("SLIPWAY_CONNECTIONS_URL"),
        stats_interval=reader.number("DD_STATS_INTERVAL", defaults.stats_interval, 1, 3600),
        stats_history=reader.number("DD_STATS_HISTORYSIZE", defaults.stats_history, 1, 500),
        watchers=_watchers(reader, problems),
        docker_actions=_docker_actions(reader, problems),
        registries=reader.tree("DD_REGISTRY_"),
        forges=tuple(_forges(reader, problems)),
        github_token=reader.get("DD_RELEASE_NOTES_GITHUB_TOKEN"),
        security=read_security(reader, _cron),
        problems=tuple(problems),
    )


class _Reader:
    """Variables, each read from its `__FILE` twin when there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def get(self, name: str) -> str | None:
        path = self.environment.get(f"{name}__FILE")
        if path is None:
            return self.environment.get(name)
        try:
            file = Path(path)
            if not file.is_file() or file.stat().st_size > _FILE_LIMIT:
                raise BadSetting(f"{name}__FILE must name a regular file of at most 1 MiB, not {path}")
            return file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"{name}__FILE names {path}, which cannot be read: {error}") from error

    def has(self, name: str) -> bool:
        return bool(self.environment.get(name))

    def text(self, name: str, default: str) -> str:
        return self.get(name) or default

    def name(self, variable: str, default: str) -> str:
        value = self.text(variable, default)
        if not _NAME.match(value):
            raise BadSetting(f"{variable} must be lower-case letters, digits, dots or dashes, not {value!r}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = (self.get(name) or "").strip().lower()
        if value not in ("", "true", "false"):
            raise BadSetting(f"{name} must be true or false, not {value!r}")
        return default if value == "" else value == "true"

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.get(name)
        if not value:
            return default
        if not re.fullmatch(r"\d{1,12}", value.strip()) or not low <= int(value) <= high:
            raise BadSetting(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        value = (self.get(name) or default).strip().lower()
        if value not in words:
            raise BadSetting(f"{name} must be one of {', '.join(words)}, not {value!r}")
        return value

    def names(self, prefix: str) -> list[str]:
        """The component names below a prefix, as they stand in `PREFIX{NAME}_…`."""
        found = {}
        for variable in self.environment:
            if variable.upper().startswith(prefix):
                name = variable[len(prefix) :].split("_")[0]
                if name:
                    found[name.lower()] = name
        return [found[name] for name in sorted(found)]

    def tree(self, prefix: str) -> dict[str, dict[str, dict[str, str]]]:
        """`{PREFIX}{PROVIDER}_{NAME}_{KEY}` as nested lower-case mappings; deeper keys keep their underscores."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for variable in sorted(self.environment):
            if not variable.upper().startswith(prefix):
                continue
            plain = variable.removesuffix("__FILE")
            provider, _, rest = plain[len(prefix) :].lower().partition("_")
            name, _, key = rest.partition("_")
            if provider and name:
                component = found.setdefault(provider, {}).setdefault(name, {})
                value = self.get(plain)
                if key and value is not None:
                    component[key] = value
        return found


def _components(reader: _Reader, prefix: str, problems: list[str], build: Callable[[str, str], Value]) -> list[Value]:
    """One component per name; a bad one is skipped and its problem kept."""
    built = []
    for name in reader.names(prefix):
        try:
            built.append(build(name.lower(), f"{prefix}{name}_"))
        except BadSetting as problem:
            problems.append(str(problem))
    return built


def _watchers(reader: _Reader, problems: list[str]) -> tuple[WatcherSettings, ...]:
    found = _components(reader, "DD_WATCHER_", problems, lambda name, prefix: _watcher(reader, name, prefix))
    if not found and not reader.names("DD_WATCHER_") and reader.flag("DD_LOCAL_WATCHER", True):
        return (WatcherSettings(LOCAL_AGENT),)
    return tuple(found)


def _watcher(reader: _Reader, name: str, prefix: str) -> WatcherSettings:
    defaults = WatcherSettings(name)
    files: dict[str, Any] = {
        "ca_file": reader.get(f"{prefix}CAFILE"),
        "cert_file": reader.get(f"{prefix}CERTFILE"),
        "key_file": reader.get(f"{prefix}KEYFILE"),
    }
    return WatcherSettings(
        name=name,
        base_url=_engine_url(reader, prefix, secure=any(files.values())),
        cron=_cron(f"{prefix}CRON", reader.text(f"{prefix}CRON", defaults.cron)),
        jitter_ms=reader.number(f"{prefix}JITTER", defaults.jitter_ms, 0, 86_400_000),
        watch_by_default=reader.flag(f"{prefix}WATCHBYDEFAULT", defaults.watch_by_default),
        watch_all=reader.flag(f"{prefix}WATCHALL", defaults.watch_all),
        watch_events=reader.flag(f"{prefix}WATCHEVENTS", defaults.watch_events),
        watch_at_start=reader.flag(f"{prefix}WATCHATSTART", defaults.watch_at_start),
        policy=_watcher_policy(reader, prefix),
        **files,
    )


def _watcher_policy(reader: _Reader, prefix: str) -> Policy:
    """What a watcher says about the updates of its containers."""
    mode, days = f"{prefix}MATURITY_MODE", f"{prefix}MATURITY_MIN_AGE_DAYS"
    policy = Policy(
        maturity_mode=reader.one_of(mode, MODES, MODES[0]) if reader.has(mode) else None,
        maturity_min_age_days=reader.number(days, 0, 1, LONGEST_DAYS) if reader.has(days) else None,
    )
    return NO_POLICY if policy.empty else policy


def _engine_url(reader: _Reader, prefix: str, *, secure: bool) -> str:
    host = reader.get(f"{prefix}HOST")
    if not host:
        return "unix://" + reader.text(f"{prefix}SOCKET", "/var/run/docker.sock")
    if "://" in host:
        return host
    scheme = reader.one_of(f"{prefix}PROTOCOL", ("http", "https"), "https" if secure else "http")
    return f"{scheme}://{host}:{reader.number(f'{prefix}PORT', 2375, 1, 65535)}"


def _cron(variable: str, expression: str) -> str:
    fields = expression.split()
    if len(fields) not in (5, 6) or not all(re.fullmatch(r"[\w*/,#?-]+", field) for field in fields):
        raise BadSetting(f"{variable} must be a cron expression such as '0 * * * *', not {expression!r}")
    return expression


def _forges(reader: _Reader, problems: list[str]) -> list[ForgeSettings]:
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


def _docker_actions(reader: _Reader, problems: list[str]) -> tuple[DockerActionSettings, ...]:
    if (reader.get("DD_ACTION_DOCKER_LOCAL") or "").lower() == "false":
        return ()
    found: dict[str, DockerActionSettings] = {}
    for prefix in ("DD_TRIGGER_DOCKER_", "DD_ACTION_DOCKER_"):
        for action in _components(reader, prefix, problems, lambda name, at: _docker_action(reader, name, at)):
            found[action.name] = action
    return tuple(found.values()) or (DockerActionSettings(LOCAL_AGENT),)


def _docker_action(reader: _Reader, name: str, prefix: str) -> DockerActionSettings:
    return DockerActionSettings(
        name=name,
        prune=reader.flag(f"{prefix}PRUNE", False),
        dry_run=reader.flag(f"{prefix}DRYRUN", False),
        backup_count=reader.number(f"{prefix}BACKUPCOUNT", 3, 1, 100),
    )


def _is_local(reader: _Reader) -> bool:
    """Whether the store is an emulator on this machine, whose tables are ours to make."""
    url = reader.get("AWS_ENDPOINT_URL_DYNAMODB") or reader.get("AWS_ENDPOINT_URL") or ""
    return bool(re.match(r"https?://(127\.|localhost\b|\[::1\])", url))


def _access_key(reader: _Reader) -> tuple[str, str] | None:
    """An emulator on this machine checks no credentials, but no request is signed without them."""
    if not _is_local(reader):
        return None
    return reader.text("AWS_ACCESS_KEY_ID", "slipway"), reader.text("AWS_SECRET_ACCESS_KEY", "slipway")


def _metrics_token(reader: _Reader) -> str | None:
    """A short token could be guessed, and nothing slows guessing down there."""
    token = reader.get("DD_SERVER_METRICS_TOKEN") or None
    if token is not None and len(token) < 16:
        raise BadSetting("DD_SERVER_METRICS_TOKEN must have at least 16 characters")
    return token


def _docker_config(reader: _Reader) -> Path | None:
    """Docker's own credentials: `DOCKER_CONFIG`, else `~/.docker`, when there are any."""
    folder = reader.get("DOCKER_CONFIG") or (Path(reader.text("HOME", "/nonexistent")) / ".docker")
    file = Path(folder) / "config.json"
    return file if file.is_file() else None


def _basic_users(reader: _Reader) -> dict[str, str]:
    """User name to password hash of every `DD_AUTH_BASIC_{name}_USER` and `_HASH`; both are needed."""
    users = {}
    for name in reader.names("DD_AUTH_BASIC_"):
        user, hashed = reader.get(f"DD_AUTH_BASIC_{name}_USER"), reader.get(f"DD_AUTH_BASIC_{name}_HASH")
        if not user or not hashed:
            raise BadSetting(f"DD_AUTH_BASIC_{name}_USER and DD_AUTH_BASIC_{name}_HASH must both be set")
        users[user] = hashed
    return users
