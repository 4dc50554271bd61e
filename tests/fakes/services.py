"""Services for tests of the HTTP side: real guards and sessions over accounts and limits in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chalicelib.adapters.limits_memory import MemoryRateLimiter
from chalicelib.adapters.sessions_signed import SignedSessions
from chalicelib.domain.account import Account
from chalicelib.domain.webhook import NO_WEBHOOKS, WebhookRules
from chalicelib.ports.identity import IdentityProvider
from tests.fakes.accounts import FakeAccounts, FakeAttempts, FakePasswords, FakeTokens
from tests.fakes.audit import FakeAudit

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)


@dataclass
class StillClock:
    """A clock that stands still until it is moved."""

    at: datetime = NOON
    ids: int = 0
    elapsed: float = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.elapsed += seconds

    def new_id(self) -> str:
        self.ids += 1
        return f"id-{self.ids}"


@dataclass
class FakeSettings:
    """The settings that the HTTP side reads, at their defaults."""

    version: str = "1.2.3"
    anonymous: bool = False
    features: frozenset[str] = frozenset({"containeractions", "delete"})
    compat_wud: bool = True
    trust_proxy: bool = False
    most_connections: int = 800
    cors_enabled: bool = False
    cors_origin: str = "*"
    cors_methods: str = "GET,HEAD,PUT,PATCH,POST,DELETE"
    compression: bool = True
    compression_threshold: int = 1024
    rate_limit_max: int = 1000
    rate_limit_by_identity: bool = False
    cookie_samesite: str = "lax"
    webhook: WebhookRules = NO_WEBHOOKS
    account_lockout_attempts: int = 5
    address_lockout_attempts: int = 25
    lockout_window_ms: int = 900_000
    lockout_duration_ms: int = 900_000
    public_url: str | None = None
    metrics_auth: bool = True
    metrics_token: str | None = None
    log_level: str = "info"
    dynamodb_url: str | None = None
    region: str = "us-east-1"
    table_prefix: str = "slipway-"
    command_wait_seconds: float = 5


@dataclass
class FakeServices:
    """One account, `ada` with the password `difference engine`."""

    settings: FakeSettings = field(default_factory=FakeSettings)
    clock: StillClock = field(default_factory=StillClock)
    started_at: datetime = NOON - timedelta(seconds=90)
    accounts: FakeAccounts = field(
        default_factory=lambda: FakeAccounts(Account("ada", "plain:difference engine", NOON)),
    )
    passwords: FakePasswords = field(default_factory=FakePasswords)
    sessions: SignedSessions = field(default_factory=lambda: SignedSessions(b"a secret for tests only, 32 bytes"))
    tokens: FakeTokens = field(default_factory=FakeTokens)
    providers: dict[str, IdentityProvider] = field(default_factory=dict)
    attempts: FakeAttempts = field(default_factory=FakeAttempts)
    audit: FakeAudit = field(default_factory=FakeAudit)
    limits: MemoryRateLimiter = field(default_factory=MemoryRateLimiter)
