"""The tables as PynamoDB models: keys, attributes and indexes, all named here and nowhere else."""

from __future__ import annotations

from typing import Any

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute, UnicodeSetAttribute
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model


class AgentModel(Model):
    """One row per executor: heartbeat, what it watches, and how often each noun of it was written."""

    class Meta:
        table_name = "agents"

    agent = UnicodeAttribute(hash_key=True)
    seen_at = UnicodeAttribute(null=True)
    executor = UnicodeAttribute(null=True)
    watchers = BinaryAttribute(null=True, legacy_encoding=False)
    facts = BinaryAttribute(null=True, legacy_encoding=False)
    containers = NumberAttribute(null=True)
    operations = NumberAttribute(null=True)
    policies = NumberAttribute(null=True)


class ContainerModel(Model):
    """Containers: facts apart from the document. Read and written with the plain client, for lists must be fast."""

    class Meta:
        table_name = "containers"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    facts = BinaryAttribute(legacy_encoding=False)
    document = BinaryAttribute(legacy_encoding=False)


class PolicyModel(Model):
    """Update policies by identity."""

    class Meta:
        table_name = "policies"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    policy = BinaryAttribute(legacy_encoding=False)


class OpenLedgers(GlobalSecondaryIndex["LedgerModel"]):  # type: ignore[no-untyped-call]
    """Ledgers with an open operation: `open_agent` is there only while one is open."""

    class Meta:
        index_name = "open"
        projection = AllProjection()

    open_agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)


class LedgerModel(Model):
    """All kept operations of one identity in one item, so that one condition guards them together."""

    class Meta:
        table_name = "operations"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    revision = NumberAttribute()
    operations = BinaryAttribute(legacy_encoding=False)
    open_agent = UnicodeAttribute(null=True)
    cancel = UnicodeAttribute(null=True)
    open_ledgers = OpenLedgers()


class CommandModel(Model):
    """Commands and their results."""

    class Meta:
        table_name = "commands"

    agent = UnicodeAttribute(hash_key=True)
    id = UnicodeAttribute(range_key=True)
    kind = UnicodeAttribute()
    state = UnicodeAttribute()
    created_at = UnicodeAttribute()
    arguments = BinaryAttribute(legacy_encoding=False)
    owner = UnicodeAttribute(null=True)
    lease_until = NumberAttribute(null=True)
    attempts = NumberAttribute(default=0)
    result = BinaryAttribute(null=True, legacy_encoding=False)
    ended_at = UnicodeAttribute(null=True)
    expires_at = NumberAttribute(null=True)


class AuditModel(Model):
    """Audit rows by agent and time."""

    class Meta:
        table_name = "audit"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    entry = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute()


class BackupModel(Model):
    """Remembered images by identity and time."""

    class Meta:
        table_name = "backups"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    backup = BinaryAttribute(legacy_encoding=False)


class CacheModel(Model):
    """What others answered and may be answered again for a while: by kind and key."""

    class Meta:
        table_name = "cache"

    kind = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    value = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute()


class ResultModel(Model):
    """Large answers to commands, in pieces: `<command>#<number>`."""

    class Meta:
        table_name = "results"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    data = BinaryAttribute(legacy_encoding=False)
    expires_at = NumberAttribute()


class SampleModel(Model):
    """Samples of each container, and the latest of all of an agent's together."""

    class Meta:
        table_name = "samples"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    armed_until = NumberAttribute(null=True)
    samples = BinaryAttribute(null=True, legacy_encoding=False)
    expires_at = NumberAttribute()


class ReportModel(Model):
    """Scans and bills of materials by subject; large ones in pieces beside their item."""

    class Meta:
        table_name = "reports"

    subject = UnicodeAttribute(hash_key=True)
    part = UnicodeAttribute(range_key=True)
    about = BinaryAttribute(null=True, legacy_encoding=False)
    version = UnicodeAttribute(null=True)
    pieces = NumberAttribute(null=True)
    data = BinaryAttribute(null=True, legacy_encoding=False)
    expires_at = NumberAttribute()


class AccessModel(Model):
    """Accounts, secrets, rules, the tally: what all instances share, by kind and name."""

    class Meta:
        table_name = "access"

    kind = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    value = BinaryAttribute(legacy_encoding=False)
    revision = NumberAttribute(null=True)
    expires_at = NumberAttribute(null=True)


class LimitModel(Model):
    """Windows of rate limits and failed log-ins, by subject. Written with the plain client: one atomic update each."""

    class Meta:
        table_name = "limits"

    subject = UnicodeAttribute(hash_key=True)
    hits = NumberAttribute()
    ends_at = NumberAttribute()
    locked_until = NumberAttribute(null=True)
    expires_at = NumberAttribute()


class OpenNotices(GlobalSecondaryIndex["OutboxModel"]):  # type: ignore[no-untyped-call]
    """Notices that wait or were given up: `open_agent` is there only on those."""

    class Meta:
        index_name = "open"
        projection = AllProjection()

    open_agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)


class OutboxModel(Model):
    """What triggers are to be told, and, for a year, what they have been."""

    class Meta:
        table_name = "outbox"

    agent = UnicodeAttribute(hash_key=True)
    key = UnicodeAttribute(range_key=True)
    state = UnicodeAttribute()
    due_at = NumberAttribute()
    attempts = NumberAttribute(default=0)
    notice = BinaryAttribute(legacy_encoding=False)
    owner = UnicodeAttribute(null=True)
    lease_until = NumberAttribute(null=True)
    sent_as = UnicodeAttribute(null=True)
    last_error = UnicodeAttribute(null=True)
    receipts = UnicodeSetAttribute(null=True)
    expires_at = NumberAttribute()
    open_agent = UnicodeAttribute(null=True)
    open_notices = OpenNotices()


MODELS: tuple[type[Model], ...] = (
    AgentModel,
    ContainerModel,
    PolicyModel,
    LedgerModel,
    CommandModel,
    AuditModel,
    BackupModel,
    ResultModel,
    SampleModel,
    CacheModel,
    ReportModel,
    AccessModel,
    LimitModel,
    OutboxModel,
)

NAMES: dict[type[Model], str] = {model: model.Meta.table_name for model in MODELS}
"""Each table's name without the prefix, whatever prefix is bound."""


class Tables:
    """The models bound to one prefix and one shared DynamoDB client."""

    def __init__(self, client: Any, region: str, prefix: str) -> None:
        self.client = client
        self.prefix = prefix
        for model, name in NAMES.items():
            model.Meta.table_name = prefix + name
            model.Meta.region = region
            model._connection = None
            model._get_connection().connection._client = client

    def name(self, model: type[Model]) -> str:
        """The full name of a model's table."""
        return self.prefix + NAMES[model]
