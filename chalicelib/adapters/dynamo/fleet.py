"""The reading side: one small scan says which agents changed, and only their changed nouns are read again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.changes import CONTAINERS, NOUNS, OPERATIONS, POLICIES
from chalicelib.adapters.dynamo.container import pages
from chalicelib.adapters.dynamo.models import AgentModel, ContainerModel, LedgerModel, PolicyModel, Tables
from chalicelib.adapters.dynamo.operation import read_ledger
from chalicelib.adapters.dynamo.steady import SteadyScan
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.container import Identity
from chalicelib.domain.fleet import Entry, Fleet, Listing, assemble, enter
from chalicelib.domain.operation import Operation
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.ports.clock import Clock
from chalicelib.wire import container as wire
from chalicelib.wire import json
from chalicelib.wire import policy as policy_wire

MAX_AGE_SECONDS = 60.0
"""A writer that dies between its write and its announcement is noticed after this long at the latest."""

Counters = dict[str, tuple[int, ...]]


class _Document:
    """A stored document that is opened at most once."""

    __slots__ = ("_value", "blob")

    def __init__(self, packed: bytes) -> None:
        self.blob = packed
        self._value: Mapping[str, Any] | None = None

    def __call__(self) -> Mapping[str, Any]:
        if self._value is None:
            self._value = blob.unpack(self.blob)
        return self._value


@dataclass
class _Shelf:
    """What was last read of one agent, by noun."""

    containers: dict[str, tuple[bytes, Listing]] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)


class DynamoFleet:
    """A fleet kept in memory between calls and proven current, at every call, by one strongly consistent scan."""

    def __init__(self, tables: Tables, clock: Clock, only: str | None = None) -> None:
        """`only` names the one agent to read of: an executor may read no other's rows."""
        self._client = tables.client
        self._only = only
        self._strongly: Mapping[str, Any] = {"TableName": tables.name(AgentModel), "ConsistentRead": True}
        self._agents = SteadyScan(tables.client, self._strongly)
        self._tables = {model: tables.name(model) for model in (ContainerModel, LedgerModel, PolicyModel)}
        self._clock = clock
        self._lock = threading.Lock()
        self._shelves: dict[str, _Shelf] = {}
        self._counters: Counters = {}
        self._fleet = Fleet()
        self._read_at: float | None = None

    def fleet(self) -> Fleet:
        """Everything as it stands now."""
        counters = self._read_counters()
        now = self._clock.now().timestamp()
        with self._lock:
            stale = self._read_at is None or now - self._read_at > MAX_AGE_SECONDS
            if stale or counters != self._counters:
                self._refresh(counters, everything=stale)
                if stale:
                    self._read_at = now
            return self._fleet

    def _read_counters(self) -> Counters:
        with translated("the fleet"):
            items = self._one(self._only) if self._only else self._agents.items()
            return {item["agent"]["S"]: tuple(int(item.get(noun, {"N": "0"})["N"]) for noun in NOUNS) for item in items}

    def _one(self, agent: str) -> Iterable[Mapping[str, Any]]:
        found = self._client.get_item(Key={"agent": {"S": agent}}, **self._strongly).get("Item")
        return [found] if found else []

    def _refresh(self, counters: Counters, *, everything: bool) -> None:
        """Read what changed. Counters were read before, so what is read now is at least as new as they say."""
        for agent, counts in counters.items():
            known = () if everything else self._counters.get(agent, ())
            shelf = self._shelves.setdefault(agent, _Shelf())
            changed = {noun for at, noun in enumerate(NOUNS) if at >= len(known) or known[at] != counts[at]}
            with translated(f"agent {agent}"):
                if CONTAINERS in changed:
                    shelf.containers = self._containers(agent, shelf.containers)
                if OPERATIONS in changed:
                    shelf.operations = self._operations(agent)
                if POLICIES in changed:
                    shelf.policies = self._policies(agent)
        for gone in set(self._shelves) - set(counters):
            del self._shelves[gone]
        self._counters = counters
        self._fleet = assemble(self._entries(), repr(sorted(counters.items())))

    def _entries(self) -> list[Entry]:
        return [
            enter(listing, shelf.policies.get(key, NO_POLICY), shelf.operations.get(key))
            for shelf in self._shelves.values()
            for key, (_, listing) in shelf.containers.items()
        ]

    def _containers(self, agent: str, known: dict[str, tuple[bytes, Listing]]) -> dict[str, tuple[bytes, Listing]]:
        """All containers of an agent; one whose bytes are unchanged keeps its opened document."""
        fresh = {}
        for item in self._partition(ContainerModel, agent):
            key, facts, packed = item["key"]["S"], bytes(item["facts"]["B"]), bytes(item["document"]["B"])
            stored = facts + packed
            before = known.get(key)
            if before is not None and before[0] == stored:
                fresh[key] = before
            else:
                listing = wire.listing(Identity.of(agent, key), json.loads(facts), _Document(packed))
                fresh[key] = (stored, listing)
        return fresh

    def _operations(self, agent: str) -> dict[str, Operation]:
        items = pages(
            self._client.query,
            TableName=self._tables[LedgerModel],
            IndexName="open",
            KeyConditionExpression="open_agent = :a",
            ExpressionAttributeValues={":a": {"S": agent}},
        )
        found = {}
        for item in items:
            identity = Identity.of(agent, item["key"]["S"])
            ledger = read_ledger(identity, item["operations"]["B"], int(item["revision"]["N"]))
            for operation in ledger:
                if not operation.ended:
                    found[identity.key] = operation
        return found

    def _policies(self, agent: str) -> dict[str, Policy]:
        items = self._partition(PolicyModel, agent)
        return {item["key"]["S"]: policy_wire.read(blob.unpack(item["policy"]["B"])) for item in items}

    def _partition(self, model: type[ContainerModel | PolicyModel], agent: str) -> Any:
        return pages(
            self._client.query,
            TableName=self._tables[model],
            ConsistentRead=True,
            KeyConditionExpression="agent = :a",
            ExpressionAttributeValues={":a": {"S": agent}},
        )
