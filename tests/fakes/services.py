"""Services for tests of the HTTP side: real guards and sessions over accounts and limits in memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.adapters.sessions_signed import SignedSessions
from chalicelib.config import Settings
from chalicelib.domain.account import Account
from chalicelib.ports.identity import IdentityProvider
from tests.fakes.accounts import FakeAccounts, FakeAttempts, FakePasswords, FakeTokens
from tests.fakes.audit import FakeAudit
from tests.fakes.limits import FakeRateLimiter

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


def settings_with(**changed: Any) -> Settings:
    """Settings at their defaults, but for these, a version of the tests' own and little patience."""
    return replace(Settings(version="1.2.3", rate_limit_max=1000, command_wait_seconds=5), **changed)


@dataclass
class FakeServices:
    """One account, `ada` with the password `difference engine`."""

    settings: Settings = field(default_factory=settings_with)
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
    limits: FakeRateLimiter = field(default_factory=FakeRateLimiter)
