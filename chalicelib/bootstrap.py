"""The composition root: settings and adapters put together, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.accounts_configured import ConfiguredAccounts
from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.passwords_argon2 import Argon2Passwords
from chalicelib.adapters.sessions_signed import SignedSessions
from chalicelib.adapters.tokens_remembered import RememberedTokens
from chalicelib.config import BadSetting, Settings, load
from chalicelib.domain.account import Account
from chalicelib.ports.accounts import AccountStore, TokenStore
from chalicelib.ports.connections import Connections
from chalicelib.ports.identity import IdentityProvider
from chalicelib.ports.limits import Attempts, RateLimiter
from chalicelib.ports.notifications import Author, Outbox, RuleStore, Sender
from chalicelib.ports.observation import ResultStore, SampleStore
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.queues import Queue
from chalicelib.ports.release_notes import ReleaseNotesCache, ReleaseNotesSource
from chalicelib.ports.scanner import ReportStore
from chalicelib.ports.services import Feed, Tally
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.adapters.dynamo.models import Tables
    from chalicelib.adapters.notify.mqtt_installs import Installs
    from chalicelib.adapters.registry.registries import Registries

_POOL = 64
_LONG_POLL_SECONDS = 30
_STORE_SECONDS = 10
"""A service may be standing still while its update is written down."""


class Services:
    """Everything an entry point may reach."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()
        self.started_at: datetime = self.clock.now()

    @cached_property
    def tables(self) -> Tables:
        """The tables, made first where that is ours to do."""
        from chalicelib.adapters.dynamo.models import Tables
        from chalicelib.adapters.dynamo.tables import create_missing
        from chalicelib.adapters.dynamo.trouble import translated

        client = self._client("dynamodb", self.settings.dynamodb_url)
        tables = Tables(client, self.settings.region, self.settings.table_prefix)
        if self.settings.create_tables:
            with translated("the tables"):
                create_missing(tables)
        return tables

    @cached_property
    def fleet(self) -> FleetReader:
        """The reading side."""
        from chalicelib.adapters.dynamo.fleet import DynamoFleet

        return DynamoFleet(self.tables, self.clock)

    @cached_property
    def own_fleet(self) -> FleetReader:
        """The reading side of this agent alone: an executor in the cloud may read no other's rows."""
        from chalicelib.adapters.dynamo.fleet import DynamoFleet

        return DynamoFleet(self.tables, self.clock, self.settings.agent)

    @cached_property
    def containers(self) -> ContainerStore:
        """The executor's side of containers."""
        from chalicelib.adapters.dynamo.container import DynamoContainers

        return DynamoContainers(self.tables)

    @cached_property
    def operations(self) -> OperationStore:
        """Ledgers."""
        from chalicelib.adapters.dynamo.operation import DynamoOperations

        _ = self.tables
        return DynamoOperations(self.settings.operations_kept, self.settings.operations_days)

    @cached_property
    def policies(self) -> PolicyStore:
        """Update policies."""
        from chalicelib.adapters.dynamo.policy import DynamoPolicies

        _ = self.tables
        return DynamoPolicies()

    @cached_property
    def commands(self) -> CommandStore:
        """Commands."""
        from chalicelib.adapters.dynamo.command import DynamoCommands

        _ = self.tables
        return DynamoCommands()

    @cached_property
    def agents(self) -> AgentStore:
        """Agents."""
        from chalicelib.adapters.dynamo.agent import DynamoAgents

        _ = self.tables
        return DynamoAgents()

    @cached_property
    def audit(self) -> AuditStore:
        """The audit log."""
        from chalicelib.adapters.dynamo.audit import DynamoAudit

        _ = self.tables
        return DynamoAudit()

    @cached_property
    def backups(self) -> BackupStore:
        """Remembered images."""
        from chalicelib.adapters.dynamo.backup import DynamoBackups

        _ = self.tables
        return DynamoBackups()

    @cached_property
    def forges(self) -> ReleaseNotesSource:
        """Where release notes are asked for."""
        from chalicelib.adapters.forges.releases import ForgeReleases, forges

        configured = [(one.kind, one.url, one.api, one.token) for one in self.settings.forges]
        return ForgeReleases(forges(self.settings.github_token, configured), self.settings.version)

    @cached_property
    def release_cache(self) -> ReleaseNotesCache:
        """Release notes asked for before."""
        from chalicelib.adapters.dynamo.release_cache import DynamoReleaseNotes

        _ = self.tables
        return DynamoReleaseNotes()

    @cached_property
    def results(self) -> ResultStore:
        """Large answers."""
        from chalicelib.adapters.dynamo.result import DynamoResults

        _ = self.tables
        return DynamoResults()

    @cached_property
    def samples(self) -> SampleStore:
        """Samples of containers."""
        from chalicelib.adapters.dynamo.sample import DynamoSamples

        _ = self.tables
        return DynamoSamples()

    @cached_property
    def reports(self) -> ReportStore:
        """Scans and bills of materials."""
        from chalicelib.adapters.dynamo.report import DynamoReports

        _ = self.tables
        return DynamoReports()

    @cached_property
    def connections(self) -> Connections:
        """Viewers' connections; executors send to them."""
        from chalicelib.adapters.connections import ManagementApi

        return ManagementApi(self.settings.region, self.settings.access_key)

    @cached_property
    def queue(self) -> Queue:
        """Wake-ups."""
        from chalicelib.adapters.sqs.queue import SqsQueue

        client = self._client("sqs", self.settings.sqs_url)
        return SqsQueue(client, self.settings.queue_prefix, create=self.settings.create_tables)

    @cached_property
    def accounts(self) -> AccountStore:
        """Who may come in."""
        from chalicelib.adapters.dynamo.account import DynamoAccounts

        _ = self.tables
        declared = [Account(name, hashed) for name, hashed in self.settings.basic_users.items()]
        return ConfiguredAccounts(declared, DynamoAccounts())

    @cached_property
    def passwords(self) -> Argon2Passwords:
        """Password hashes."""
        return Argon2Passwords()

    @cached_property
    def sessions(self) -> SignedSessions:
        """Session cookies, signed with the configured secret or with one all instances share."""
        secret = self.settings.session_secret
        return SignedSessions(secret.encode() if secret else self.accounts.secret("session"))

    @cached_property
    def tokens(self) -> TokenStore:
        """API tokens."""
        from chalicelib.adapters.dynamo.token import DynamoTokens

        _ = self.tables
        return RememberedTokens(DynamoTokens())

    @cached_property
    def providers(self) -> Mapping[str, IdentityProvider]:
        """Identity providers; what they need is not installed everywhere."""
        if not self.settings.oidc:
            return {}
        try:
            from chalicelib.adapters.oidc import OidcProvider
        except ImportError as missing:
            raise BadSetting(f"DD_AUTH_OIDC_* needs authlib and httpx in requirements.txt: {missing}") from missing

        return {
            one.name: OidcProvider(
                one.name,
                one.client_id,
                one.client_secret,
                one.discovery,
                redirect=one.redirect,
                logout_url=one.logout_url,
                timeout=one.timeout_ms / 1000,
            )
            for one in self.settings.oidc
        }

    @cached_property
    def attempts(self) -> Attempts:
        """Failed log-ins."""
        from chalicelib.adapters.dynamo.attempts import DynamoAttempts

        return DynamoAttempts(self.tables)

    @cached_property
    def feed(self) -> Feed:
        """News of the fleet."""
        from chalicelib.usecases.follow_fleet import Feed as FleetFeed

        return FleetFeed(self.fleet, self.agents, self.operations, self.clock)

    @cached_property
    def tally(self) -> Tally:
        """Counts of what was done."""
        from chalicelib.adapters.dynamo.tally import DynamoTallies
        from chalicelib.usecases.tally_audit import AuditTally

        return AuditTally(self.audit, self.agents, DynamoTallies(), self.clock)

    @cached_property
    def outbox(self) -> Outbox:
        """Notices."""
        from chalicelib.adapters.dynamo.outbox import DynamoOutbox

        _ = self.tables
        return DynamoOutbox()

    @cached_property
    def rules(self) -> RuleStore:
        """Who hears what."""
        from chalicelib.adapters.dynamo.rule import DynamoRules

        _ = self.tables
        return DynamoRules()

    @cached_property
    def sender(self) -> Sender:
        """Delivers what notices say."""
        from chalicelib.adapters.notify.sender import ProviderSender

        return ProviderSender(self.settings.triggers.handed_on)

    def installs(self, install: Callable[[str, str], object]) -> list[Installs]:
        """Listeners for the install buttons of every mqtt trigger that has them."""
        found = [one for one in self.settings.triggers.triggers if one.type == "mqtt"]
        offering = [one for one in found if (one.configuration.get("hass") or {}).get("discovery")]
        if not offering:
            return []
        from chalicelib.adapters.notify.mqtt_installs import Installs

        return [Installs(one, install, self.settings.agent) for one in offering]

    @cached_property
    def author(self) -> Author:
        """Puts notices into words."""
        from chalicelib.wire.notice import Words

        return Words()

    @cached_property
    def limits(self) -> RateLimiter:
        """Rate limits."""
        from chalicelib.adapters.dynamo.limits import DynamoRateLimiter

        return DynamoRateLimiter(self.tables)

    @cached_property
    def registries(self) -> Registries:
        """Image registries; only executors ask them."""
        from chalicelib.adapters.dynamo.registry_cache import DynamoRegistryCache
        from chalicelib.adapters.registry.registries import Registries

        window = timedelta(seconds=self.settings.registry_window_seconds)
        return Registries(
            self.settings.registries,
            self.clock,
            docker_config=self.settings.docker_config,
            cache=DynamoRegistryCache(self.tables, self.clock) if window else None,
            window=window,
            timeout=self.settings.registry_timeout_ms / 1000,
        )

    @cached_property
    def patterns(self) -> PatternCompiler:
        """What operators write in labels, compiled."""
        from chalicelib.adapters.patterns import Re2Patterns

        return Re2Patterns()

    def _client(self, service: str, url: str | None) -> Any:
        import botocore.session
        from botocore.config import Config

        config = Config(
            region_name=self.settings.region,
            max_pool_connections=_POOL,
            connect_timeout=5,
            read_timeout=_LONG_POLL_SECONDS if service == "sqs" else _STORE_SECONDS,
            retries={"mode": "standard", "max_attempts": 3},
            parameter_validation=False,
            # botocore would put its own together again for every request.
            user_agent=f"slipway/{self.settings.version}",
        )
        key = self.settings.access_key if url == self.settings.dynamodb_url else self.settings.queue_key
        access_key, secret_key = key or (None, None)
        return botocore.session.get_session().create_client(
            service,
            config=config,
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
        )


@cache
def services() -> Services:
    """The services of this process, by its environment. Raises BadSetting."""
    return Services(load())
