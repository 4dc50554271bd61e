"""What stores on the reading side keep to, in memory and in DynamoDB: policies, agents, fleets, periods, notes."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.agent import Agent
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Stale
from chalicelib.domain.fleet import Entry
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.domain.release import ReleaseNotes
from chalicelib.ports.release_notes import ReleaseNotesCache
from chalicelib.ports.stores import (
    AgentStore,
    AuditStore,
    CommandStore,
    ContainerStore,
    FleetReader,
    OperationStore,
    PolicyStore,
)
from tests.builders.api import api_over
from tests.builders.containers import NOW, container, with_update
from tests.fakes.audit import FakeAudit
from tests.fakes.fleet import FakeFleet, FakeReleaseCache
from tests.fakes.policies import FakeAgents, FakePolicies
from tests.fakes.stores import FakeCommands, FakeContainers, FakeOperations

_AGENTS = itertools.count()
POLICY = Policy(("1", "2"), (), NOW + timedelta(days=1, milliseconds=123), "mature", 14)


@dataclass
class Stores:
    """A set of stores; `agent` is nobody else's."""

    agent: str
    policies: PolicyStore
    agents: AgentStore
    fleet: FleetReader
    containers: ContainerStore
    operations: OperationStore
    commands: CommandStore
    audit: AuditStore
    notes: ReleaseNotesCache

    def identity(self, name: str = "web") -> Identity:
        return Identity(self.agent, "local", name)

    def container(self, name: str = "web", **changes: Any) -> Container:
        return container(name, agent=self.agent, **changes)

    def entries(self) -> dict[str, Entry]:
        """The containers of this agent as readers see them, by name."""
        mine = [one for one in self.fleet.fleet().entries if one.listing.identity.agent == self.agent]
        return {one.listing.identity.name: one for one in mine}


@pytest.fixture(scope="module")
def dynamo(api_store: str) -> Iterator[Services]:
    with api_over(api_store) as api:
        yield api.services


@pytest.fixture(params=["memory", "dynamo"])
def stores(request: pytest.FixtureRequest) -> Stores:
    agent = f"agent-{next(_AGENTS)}"
    if request.param == "memory":
        containers, policies, operations = FakeContainers(), FakePolicies(), FakeOperations()
        fleet = FakeFleet(containers, policies, operations, [(agent, "local")])
        rest = (FakeCommands(), FakeAudit(), FakeReleaseCache())
        return Stores(agent, policies, FakeAgents(), fleet, containers, operations, *rest)
    real: Services = request.getfixturevalue("dynamo")
    reading = (real.policies, real.agents, real.fleet, real.containers, real.operations)
    return Stores(agent, *reading, real.commands, real.audit, real.release_cache)


# Policies


def test_nobody_has_said_anything_about_an_unknown_identity(stores: Stores) -> None:
    assert stores.policies.get(stores.identity()) == (NO_POLICY, 0)


@pytest.mark.parametrize("policy", [POLICY, NO_POLICY, Policy(skip_tags=()), Policy(maturity_mode="all")])
def test_a_policy_comes_back_as_it_was_put(stores: Stores, policy: Policy) -> None:
    stores.policies.put(stores.identity(), policy, 0)
    assert stores.policies.get(stores.identity()) == (policy, 1)
    assert stores.policies.get(stores.identity("web2")) == (NO_POLICY, 0)


@pytest.mark.parametrize("revision", [0, 2])
def test_a_policy_that_has_changed_since_is_not_overwritten(stores: Stores, revision: int) -> None:
    stores.policies.put(stores.identity(), POLICY, 0)
    with pytest.raises(Stale):
        stores.policies.put(stores.identity(), NO_POLICY, revision)
    assert stores.policies.get(stores.identity()) == (POLICY, 1)


# Agents


def agent_of(stores: Stores) -> Agent:
    return next(one for one in stores.agents.all() if one.name == stores.agent)


def test_an_agent_is_known_by_its_last_report(stores: Stores) -> None:
    for version, second in (("1", 0), ("2", 5)):
        said = Agent(stores.agent, executor="e1", watchers={"local": {"cron": "*"}}, facts={"version": version})
        stores.agents.report(said, NOW + timedelta(seconds=second))
    found = agent_of(stores)
    assert found.facts == {"version": "2"}
    assert found.watchers == {"local": {"cron": "*"}}
    assert (found.executor, found.seen_at) == ("e1", NOW + timedelta(seconds=5))
    assert found.connected(NOW + timedelta(seconds=49))
    assert not found.connected(NOW + timedelta(seconds=50))


def test_agents_are_listed_by_name(stores: Stores) -> None:
    for name in ("b", "a"):
        stores.agents.report(Agent(f"{stores.agent}{name}"), NOW)
    names = [one.name for one in stores.agents.all() if one.name.startswith(stores.agent)]
    assert names == [f"{stores.agent}a", f"{stores.agent}b"]


# Fleets


def test_a_reader_sees_a_container_as_soon_as_it_is_saved_and_no_longer_once_removed(stores: Stores) -> None:
    assert stores.entries() == {}
    stores.containers.save([stores.container(), stores.container("db")])
    assert set(stores.entries()) == {"web", "db"}
    stores.containers.remove([stores.identity("db"), stores.identity("unknown")])
    assert set(stores.entries()) == {"web"}


def test_a_reader_finds_containers_by_id_by_former_id_and_by_identity(stores: Stores) -> None:
    stores.containers.save([stores.container(former_ids=("e" * 64,))])
    fleet, web = stores.fleet.fleet(), stores.container()
    for found in (fleet.find(web.id), fleet.find_successor("e" * 64), fleet.at(web.identity)):
        assert found is not None
        assert found.listing.id == web.id
    assert fleet.find("e" * 64) is None
    assert fleet.find_successor("d" * 64) is None


def test_a_reader_sees_a_policy_and_what_its_layers_come_to(stores: Stores) -> None:
    labels = {"dd.updatePolicy.maturityMinAgeDays": "9"}
    watcher = Policy(maturity_mode="mature")
    stores.containers.save([stores.container(labels=labels, watcher_policy=watcher)])
    stores.policies.put(stores.identity(), Policy(skip_tags=("1",)), 0)
    entry = stores.entries()["web"]
    assert entry.policy == Policy(skip_tags=("1",), maturity_mode="mature", maturity_min_age_days=9)
    assert entry.layers.sources == {
        "skip_tags": "override",
        "maturity_mode": "env",
        "maturity_min_age_days": "label",
    }


def test_a_policy_waits_for_its_container(stores: Stores) -> None:
    stores.policies.put(stores.identity(), POLICY, 0)
    assert stores.entries() == {}
    stores.containers.save([stores.container()])
    assert stores.entries()["web"].layers.override == POLICY


def test_a_reader_sees_an_operation_while_it_is_open(stores: Stores) -> None:
    stores.containers.save([stores.container()])
    opened = stores.operations.open(Operation("op-1", stores.identity(), "a" * 64, NOW, NOW))
    seen = stores.entries()["web"].operation
    assert seen is not None
    assert seen.id == "op-1"
    stores.operations.record(opened.at(Phase.SUCCEEDED, NOW))
    assert stores.entries()["web"].operation is None


def test_the_mark_of_a_fleet_changes_with_anything_in_it_and_with_nothing_else(stores: Stores) -> None:
    marks = [stores.fleet.fleet().mark]
    stores.containers.save([stores.container()])
    marks.append(stores.fleet.fleet().mark)
    stores.containers.save([stores.container(status="exited")])
    marks.append(stores.fleet.fleet().mark)
    stores.policies.put(stores.identity(), POLICY, 0)
    marks.append(stores.fleet.fleet().mark)
    stores.operations.open(Operation("op-1", stores.identity(), "a" * 64, NOW, NOW))
    marks.append(stores.fleet.fleet().mark)
    assert len(set(marks)) == len(marks)
    assert stores.fleet.fleet().mark == marks[-1]


def test_a_reader_sees_what_was_found(stores: Stores) -> None:
    stores.containers.save([with_update(stores.container())])
    listing = stores.entries()["web"].listing
    assert listing.update.remote_value == "1.3.0"
    assert listing.candidate is not None
    assert listing.candidate.detected_at == NOW - timedelta(days=2)
    assert listing.read()["result"] == {"tag": "1.3.0"}


# Periods of the audit log


def row(stores: Stores, number: int, action: str = "container-start") -> AuditEntry:
    at = NOW - timedelta(hours=number)
    return AuditEntry(f"row-{number}", at, action, "info", stores.identity(), details="because")


def test_a_period_includes_both_its_ends_and_is_newest_first(stores: Stores) -> None:
    stores.audit.add([row(stores, number) for number in (3, 1, 4, 2)])
    found = stores.audit.between([stores.agent], NOW - timedelta(hours=3), NOW - timedelta(hours=2))
    assert found == [row(stores, 2), row(stores, 3)]


def test_a_period_covers_several_agents_and_no_other(stores: Stores) -> None:
    stores.audit.add([row(stores, 1), replace(row(stores, 2), identity=Identity(f"{stores.agent}x", "local", "db"))])
    both = stores.audit.between([stores.agent, f"{stores.agent}x"], NOW - timedelta(days=1), NOW)
    assert [entry.id for entry in both] == ["row-1", "row-2"]
    assert stores.audit.between([stores.agent], NOW - timedelta(days=1), NOW) == both[:1]
    assert stores.audit.between([], NOW - timedelta(days=1), NOW) == []


# Commands nobody wants any more


@pytest.mark.parametrize("claimed", [False, True])
def test_a_removed_command_is_forgotten_and_its_end_is_not_stored(stores: Stores, claimed: bool) -> None:
    command = Command("c-1", stores.agent, CommandKind.REVEAL, NOW)
    stores.commands.submit(command)
    held = None
    if claimed:
        held = stores.commands.claim(stores.agent, "c-1", "me", NOW, NOW + timedelta(seconds=30))
    stores.commands.remove(stores.agent, "c-1")
    stores.commands.remove(stores.agent, "c-1")
    if held is not None:
        secret = replace(held, state=CommandState.DONE, result={"env": [["A", "s3cret"]]}, ended_at=NOW)
        assert stores.commands.finish(secret) is False
    assert stores.commands.get(stores.agent, "c-1") is None
    assert stores.commands.claim(stores.agent, "c-1", "me", NOW, NOW + timedelta(seconds=30)) is None


# Release notes


def test_notes_are_kept_until_their_time_and_none_is_an_answer_too(stores: Stores) -> None:
    notes = ReleaseNotes("Title", "body", "https://github.com/acme/web", NOW, "github")
    key = f"{stores.agent}@1.3.0"
    assert stores.notes.get(key, NOW) == (False, None)
    stores.notes.put(key, notes, NOW + timedelta(minutes=60))
    stores.notes.put(f"{key}0", None, NOW + timedelta(minutes=10))
    assert stores.notes.get(key, NOW + timedelta(minutes=59)) == (True, notes)
    assert stores.notes.get(f"{key}0", NOW + timedelta(minutes=9)) == (True, None)
    assert stores.notes.get(key, NOW + timedelta(minutes=60)) == (False, None)
