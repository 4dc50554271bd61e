"""What handlers may use: a Protocol of ports, met by the composition root and by the tests' fakes."""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol

from chalicelib.domain.news import Numbered
from chalicelib.domain.tally import Kind
from chalicelib.domain.webhook import WebhookRules
from chalicelib.ports.accounts import AccountStore, Passwords, Sessions, TokenStore
from chalicelib.ports.clock import Clock
from chalicelib.ports.connections import Connections
from chalicelib.ports.identity import IdentityProvider
from chalicelib.ports.limits import Attempts, RateLimiter
from chalicelib.ports.notifications import Outbox, RuleStore
from chalicelib.ports.observation import ResultStore, SampleStore
from chalicelib.ports.queues import Queue
from chalicelib.ports.release_notes import ReleaseNotesCache, ReleaseNotesSource
from chalicelib.ports.scanner import ReportStore
from chalicelib.ports.stores import (
    AgentStore,
    AuditStore,
    BackupStore,
    CommandStore,
    ContainerStore,
    FleetReader,
    OperationStore,
    PolicyStore,
)


class Tally(Protocol):
    """Counts of audit rows, the same for every instance."""

    def totals(self) -> Mapping[Kind, int]:
        """Rows by kind, ever since the log began."""
        ...


class Feed(Protocol):
    """News of the fleet, numbered by this process, for everybody who listens."""

    @property
    def boot(self) -> str:
        """Names this life of the process: numbers of another one mean nothing here."""
        ...

    def admit(self, client: str) -> None:
        """Raise TooMany when this client, or all together, listen too often already, Unavailable without the store."""
        ...

    def listening(self, client: str) -> AbstractContextManager[None]:
        """Count a listener."""
        ...

    def begin(self, last_id: str | None) -> tuple[int, str | None]:
        """Where a listener goes on who has seen the event of that id, and why it must read everything again, if so."""
        ...

    def after(self, number: int, patience: float) -> list[Numbered]:
        """The news after that one; waits so many seconds for some. Raises Unavailable."""
        ...


class Settings(Protocol):
    """What dispatch, guards and the doors read from the configuration."""

    @property
    def version(self) -> str:
        """Of Slipway."""
        ...

    @property
    def anonymous(self) -> bool:
        """Whether everybody may come in, confirmed: `DD_ANONYMOUS_AUTH_CONFIRM`."""
        ...

    @property
    def features(self) -> Set[str]:
        """The features that are on, such as `containeractions` and `delete`: `DD_SERVER_FEATURE_*`."""
        ...

    @property
    def compat_wud(self) -> bool:
        """Whether WUD's unversioned paths answer: `DD_COMPAT_WUD`."""
        ...

    @property
    def public_url(self) -> str | None:
        """The address people use, when a proxy stands in front: `DD_PUBLIC_URL`."""
        ...

    @property
    def trust_proxy(self) -> bool:
        """Whether `X-Forwarded-*` is believed: `DD_SERVER_TRUSTPROXY`."""
        ...

    @property
    def most_connections(self) -> int:
        """How many connections a server of ours has at once: `DD_SERVER_CONNECTIONS`."""
        ...

    @property
    def cors_enabled(self) -> bool:
        """Whether other origins may read answers: `DD_SERVER_CORS_ENABLED`."""
        ...

    @property
    def cors_origin(self) -> str:
        """`*`, or origins separated by commas: `DD_SERVER_CORS_ORIGIN`."""
        ...

    @property
    def cors_methods(self) -> str:
        """Methods separated by commas: `DD_SERVER_CORS_METHODS`."""
        ...

    @property
    def compression(self) -> bool:
        """Whether bodies are compressed: `DD_SERVER_COMPRESSION_ENABLED`."""
        ...

    @property
    def compression_threshold(self) -> int:
        """Bodies of more bytes than this are compressed: `DD_SERVER_COMPRESSION_THRESHOLD`."""
        ...

    @property
    def rate_limit_max(self) -> int:
        """Requests per quarter of an hour and caller: `DD_SERVER_RATELIMIT_MAX`."""
        ...

    @property
    def rate_limit_by_identity(self) -> bool:
        """Whether callers are told apart by who they are, not by address: `DD_SERVER_RATELIMIT_IDENTITYKEYING`."""
        ...

    @property
    def metrics_auth(self) -> bool:
        """Whether `/metrics` asks who is asking: `DD_SERVER_METRICS_AUTH`."""
        ...

    @property
    def metrics_token(self) -> str | None:
        """What `/metrics` asks for instead of a log-in: `DD_SERVER_METRICS_TOKEN`."""
        ...

    @property
    def log_level(self) -> str:
        """How much is logged: `DD_LOG_LEVEL`."""
        ...

    @property
    def dynamodb_url(self) -> str | None:
        """The store's address where it is not AWS's own: `AWS_ENDPOINT_URL_DYNAMODB`."""
        ...

    @property
    def region(self) -> str:
        """AWS's region: `AWS_REGION`."""
        ...

    @property
    def table_prefix(self) -> str:
        """What the names of tables begin with: `SLIPWAY_TABLE_PREFIX`."""
        ...

    @property
    def account_lockout_attempts(self) -> int:
        """Wrong passwords that lock an account: `DD_AUTH_ACCOUNT_LOCKOUT_MAX_ATTEMPTS`."""
        ...

    @property
    def address_lockout_attempts(self) -> int:
        """Wrong passwords that lock an address out: `DD_AUTH_IP_LOCKOUT_MAX_ATTEMPTS`."""
        ...

    @property
    def lockout_window_ms(self) -> int:
        """Failures are forgotten after this long: `DD_AUTH_LOCKOUT_WINDOW_MS`."""
        ...

    @property
    def lockout_duration_ms(self) -> int:
        """How long a lock lasts: `DD_AUTH_LOCKOUT_DURATION_MS`."""
        ...

    @property
    def command_wait_seconds(self) -> float:
        """How long a request waits for its host: `DD_SERVER_COMMAND_WAIT_SECONDS`."""
        ...

    @property
    def connections_url(self) -> str | None:
        """Where executors on other machines reach this server's WebSockets: `SLIPWAY_CONNECTIONS_URL`."""
        ...

    @property
    def stats_interval(self) -> int:
        """Seconds between two samples of a container: `DD_STATS_INTERVAL`."""
        ...

    @property
    def stats_history(self) -> int:
        """How many samples of a container are kept: `DD_STATS_HISTORYSIZE`."""
        ...

    @property
    def webhook(self) -> WebhookRules:
        """Who may call webhooks: `DD_SERVER_WEBHOOK_*`."""
        ...

    @property
    def cookie_samesite(self) -> str:
        """`lax`, `strict` or `none`: `DD_SERVER_COOKIE_SAMESITE`."""
        ...


class Services(Protocol):
    """Everything a handler may reach; each is made when first asked for, so an endpoint pays only for what it uses."""

    @property
    def settings(self) -> Settings:
        """The configuration."""
        ...

    @property
    def clock(self) -> Clock:
        """Time."""
        ...

    @property
    def started_at(self) -> datetime:
        """When this process started."""
        ...

    @property
    def accounts(self) -> AccountStore:
        """Who may come in, those that settings declare included."""
        ...

    @property
    def passwords(self) -> Passwords:
        """Password hashes."""
        ...

    @property
    def sessions(self) -> Sessions:
        """Session cookies."""
        ...

    @property
    def tokens(self) -> TokenStore:
        """API tokens."""
        ...

    @property
    def providers(self) -> Mapping[str, IdentityProvider]:
        """Identity providers by name."""
        ...

    @property
    def attempts(self) -> Attempts:
        """Failed log-ins."""
        ...

    @property
    def feed(self) -> Feed:
        """News of the fleet."""
        ...

    @property
    def tally(self) -> Tally:
        """Counts of what was done."""
        ...

    @property
    def rules(self) -> RuleStore:
        """Which events are told to whom."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Notices that wait or were given up."""
        ...

    @property
    def limits(self) -> RateLimiter:
        """Rate limits."""
        ...

    @property
    def fleet(self) -> FleetReader:
        """The reading side of containers."""
        ...

    @property
    def operations(self) -> OperationStore:
        """What was done to containers."""
        ...

    @property
    def containers(self) -> ContainerStore:
        """The writing side of containers."""
        ...

    @property
    def policies(self) -> PolicyStore:
        """What operators say about updates."""
        ...

    @property
    def backups(self) -> BackupStore:
        """Remembered images."""
        ...

    @property
    def audit(self) -> AuditStore:
        """What was done."""
        ...

    @property
    def forges(self) -> ReleaseNotesSource:
        """Where release notes are asked for."""
        ...

    @property
    def release_cache(self) -> ReleaseNotesCache:
        """Release notes asked for before."""
        ...

    @property
    def commands(self) -> CommandStore:
        """Orders and their results."""
        ...

    @property
    def connections(self) -> Connections:
        """Viewers' connections."""
        ...

    @property
    def agents(self) -> AgentStore:
        """Executors."""
        ...

    @property
    def results(self) -> ResultStore:
        """Large answers to commands."""
        ...

    @property
    def samples(self) -> SampleStore:
        """Samples of containers."""
        ...

    @property
    def reports(self) -> ReportStore:
        """Scans and bills of materials."""
        ...

    @property
    def queue(self) -> Queue:
        """Wake-ups for executors."""
        ...
