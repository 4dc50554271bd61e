"""The stores, each made when it is first asked for: what of the composition root is a table's adapter."""

from __future__ import annotations

from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any, TypeVar

from chalicelib.adapters.accounts_configured import ConfiguredAccounts
from chalicelib.adapters.clock import SystemClock
from chalicelib.adapters.tokens_remembered import RememberedTokens
from chalicelib.config import Settings
from chalicelib.domain.account import Account
from chalicelib.ports.accounts import AccountStore, TokenStore
from chalicelib.ports.limits import Attempts, RateLimiter
from chalicelib.ports.notifications import Outbox, RuleStore
from chalicelib.ports.observation import ResultStore, SampleStore
from chalicelib.ports.release_notes import ReleaseNotesCache
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

if TYPE_CHECKING:
    from collections.abc import Callable

    from chalicelib.adapters.dynamo.models import Tables

Made = TypeVar("Made")

_POOL = 64
_LONG_POLL_SECONDS = 30
_STORE_SECONDS = 10
"""A service may be standing still while its update is written down."""


def _over_models(make: Callable[[Any], Made]) -> cached_property[Made]:
    """A store over PynamoDB's models, which know where their tables are once those are there."""

    @wraps(make)
    def made(stores: Stores) -> Made:
        _ = stores.tables
        return make(stores)

    return cached_property(made)


class Stores:
    """Whatever is kept."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = SystemClock()

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

    @_over_models
    def operations(self) -> OperationStore:
        """Ledgers."""
        from chalicelib.adapters.dynamo.operation import DynamoOperations

        return DynamoOperations(self.settings.operations_kept, self.settings.operations_days)

    @_over_models
    def policies(self) -> PolicyStore:
        """Update policies."""
        from chalicelib.adapters.dynamo.policy import DynamoPolicies

        return DynamoPolicies()

    @_over_models
    def commands(self) -> CommandStore:
        """Commands."""
        from chalicelib.adapters.dynamo.command import DynamoCommands

        return DynamoCommands()

    @_over_models
    def agents(self) -> AgentStore:
        """Agents."""
        from chalicelib.adapters.dynamo.agent import DynamoAgents

        return DynamoAgents()

    @_over_models
    def audit(self) -> AuditStore:
        """The audit log."""
        from chalicelib.adapters.dynamo.audit import DynamoAudit

        return DynamoAudit()

    @_over_models
    def backups(self) -> BackupStore:
        """Remembered images."""
        from chalicelib.adapters.dynamo.backup import DynamoBackups

        return DynamoBackups()

    @_over_models
    def release_cache(self) -> ReleaseNotesCache:
        """Release notes asked for before."""
        from chalicelib.adapters.dynamo.release_cache import DynamoReleaseNotes

        return DynamoReleaseNotes()

    @_over_models
    def results(self) -> ResultStore:
        """Large answers."""
        from chalicelib.adapters.dynamo.result import DynamoResults

        return DynamoResults()

    @_over_models
    def samples(self) -> SampleStore:
        """Samples of containers."""
        from chalicelib.adapters.dynamo.sample import DynamoSamples

        return DynamoSamples()

    @_over_models
    def reports(self) -> ReportStore:
        """Scans and bills of materials."""
        from chalicelib.adapters.dynamo.report import DynamoReports

        return DynamoReports()

    @_over_models
    def accounts(self) -> AccountStore:
        """Who may come in."""
        from chalicelib.adapters.dynamo.account import DynamoAccounts

        declared = [Account(name, hashed) for name, hashed in self.settings.basic_users.items()]
        return ConfiguredAccounts(declared, DynamoAccounts())

    @_over_models
    def tokens(self) -> TokenStore:
        """API tokens."""
        from chalicelib.adapters.dynamo.token import DynamoTokens

        return RememberedTokens(DynamoTokens())

    @cached_property
    def attempts(self) -> Attempts:
        """Failed log-ins."""
        from chalicelib.adapters.dynamo.attempts import DynamoAttempts

        return DynamoAttempts(self.tables)

    @cached_property
    def limits(self) -> RateLimiter:
        """Rate limits."""
        from chalicelib.adapters.dynamo.limits import DynamoRateLimiter

        return DynamoRateLimiter(self.tables)

    @_over_models
    def outbox(self) -> Outbox:
        """Notices."""
        from chalicelib.adapters.dynamo.outbox import DynamoOutbox

        return DynamoOutbox()

    @_over_models
    def rules(self) -> RuleStore:
        """Who hears what."""
        from chalicelib.adapters.dynamo.rule import DynamoRules

        return DynamoRules()

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
