"""What every store keeps to: those in memory, which other tests trust, and those in DynamoDB."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Thread

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.backup import Backup
from chalicelib.domain.command import RETENTION, Command, CommandKind, CommandState
from chalicelib.domain.container import Details, EnvEntry, Identity
from chalicelib.domain.errors import Conflict, Stale
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.stores import AuditStore, BackupStore, CommandStore, ContainerStore, OperationStore
from tests.builders.containers import container
from tests.fakes.audit import FakeAudit
from tests.fakes.stores import FakeBackups, FakeCommands, FakeContainers, FakeOperations
from tests.store_process import running_store

NOW = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
_AGENTS = itertools.count()


@dataclass
class Stores:
    """A set of stores; `agent` is nobody else's."""

    agent: str
    operations: OperationStore
    commands: CommandStore
    containers: ContainerStore
    audit: AuditStore
    backups: BackupStore

    def identity(self, name: str = "web") -> Identity:
        return Identity(self.agent, "local", name)

    def operation(self, number: int = 1, name: str = "web", **facts: object) -> Operation:
        at = NOW + timedelta(minutes=number)
        made = Operation(f"operation-{number}", self.identity(name), "a" * 64, at, at)
        return replace(made, **facts)  # type: ignore[arg-type]

    def command(self, number: int = 1) -> Command:
        at = NOW + timedelta(minutes=number)
        return Command(f"command-{number}", self.agent, CommandKind.STOP, at, arguments={"name": "web"})


@pytest.fixture(scope="module")
def dynamo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_store(tmp_path_factory.mktemp("stores")) as store:
        yield Services(
            Settings(
                dynamodb_url=store.url,
                sqs_url=store.url,
                access_key=("test", "test"),
                create_tables=True,
                data=Path("/nonexistent"),
                operations_kept=3,
            )
        )


@pytest.fixture(params=["memory", "dynamo"])
def stores(request: pytest.FixtureRequest) -> Stores:
    agent = f"agent-{next(_AGENTS)}"
    if request.param == "memory":
        return Stores(agent, FakeOperations(3), FakeCommands(), FakeContainers(), FakeAudit(), FakeBackups())
    real: Services = request.getfixturevalue("dynamo")
    return Stores(agent, real.operations, real.commands, real.containers, real.audit, real.backups)


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What these calls give, or raise, when they are made at the same time."""
    gate, found = Barrier(len(calls)), []

    def one(call: Callable[[], object]) -> None:
        gate.wait(10)
        try:
            found.append(call())
        except Exception as error:
            found.append(error)

    threads = [Thread(target=one, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return found


# Operations.


def test_an_operation_is_found_as_it_was_opened(stores: Stores) -> None:
    opened = stores.operations.open(stores.operation(target_image="app:2", from_version="1"))
    assert replace(opened, revision=0) == stores.operation(target_image="app:2", from_version="1")
    assert stores.operations.get(stores.identity(), "operation-1") == opened
    assert stores.operations.history(stores.identity()) == [opened]
    assert stores.operations.open_of(stores.agent) == [opened]
    assert stores.operations.get(stores.identity(), "another") is None


def test_every_fact_of_an_operation_comes_back(stores: Stores) -> None:
    operation = stores.operations.open(stores.operation())
    facts = {
        "temp_name": "web-old-1790000000000",
        "was_running": False,
        "old_stopped": True,
        "new_container_id": "b" * 64,
        "new_image_id": "sha256:c",
        "committed": True,
        "bound_digest": "sha256:d",
        "dependents": ("e" * 64, "f" * 64),
        "reason_code": "health_gate_failed",
        "last_error": "it said nothing",
        "recovered_at": NOW + timedelta(microseconds=456),
    }
    recorded = stores.operations.record(operation.at(Phase.ROLLED_BACK, NOW + timedelta(hours=1), **facts))
    assert {name: getattr(recorded, name) for name in facts} == facts
    assert recorded.ended_at == NOW + timedelta(hours=1)
    assert stores.operations.get(stores.identity(), operation.id) == recorded


def test_a_second_operation_is_refused_while_one_is_open(stores: Stores) -> None:
    stores.operations.open(stores.operation(1))
    with pytest.raises(Conflict) as refused:
        stores.operations.open(stores.operation(2))
    assert refused.value.operation_id == "operation-1"


def test_opening_the_same_operation_again_changes_nothing(stores: Stores) -> None:
    stores.operations.open(stores.operation())
    stores.operations.open(stores.operation())
    assert len(stores.operations.history(stores.identity())) == 1


def test_of_many_who_open_at_once_one_succeeds(stores: Stores) -> None:
    found = at_once(*(lambda n=n: stores.operations.open(stores.operation(n)) for n in range(5)))
    assert sorted(type(one).__name__ for one in found) == ["Conflict"] * 4 + ["Operation"]
    assert len(stores.operations.open_of(stores.agent)) == 1


def test_an_ended_operation_makes_room(stores: Stores) -> None:
    first = stores.operations.open(stores.operation(1))
    stores.operations.record(first.at(Phase.SUCCEEDED, NOW))
    assert stores.operations.open_of(stores.agent) == []
    stores.operations.open(stores.operation(2))
    assert [one.id for one in stores.operations.history(stores.identity())] == ["operation-2", "operation-1"]


def test_a_fact_from_an_older_reading_loses(stores: Stores) -> None:
    operation = stores.operations.open(stores.operation())
    stores.operations.record(operation.at(Phase.PREPARE, NOW))
    with pytest.raises(Stale):
        stores.operations.record(operation.at(Phase.PREPARE, NOW + timedelta(seconds=1)))


def test_of_two_who_record_at_once_one_loses(stores: Stores) -> None:
    operation = stores.operations.open(stores.operation())
    moments = [NOW + timedelta(seconds=number) for number in range(4)]
    found = at_once(*(lambda at=at: stores.operations.record(operation.at(Phase.PREPARE, at)) for at in moments))
    assert sorted(type(one).__name__ for one in found) == ["Operation", "Stale", "Stale", "Stale"]


def test_the_same_fact_stored_twice_is_stored_once(stores: Stores) -> None:
    fact = stores.operations.open(stores.operation()).at(Phase.RENAMED, NOW, temp_name="web-old-1790000000000")
    first = stores.operations.record(fact)
    assert stores.operations.record(fact) == first
    assert stores.operations.get(stores.identity(), fact.id) == first


def test_a_wish_for_its_end_comes_with_the_next_fact_and_takes_the_operation_from_nobody(stores: Stores) -> None:
    operation = stores.operations.open(stores.operation())
    assert not operation.cancel_requested
    stores.operations.ask_for_end(operation)
    stores.operations.ask_for_end(operation)
    found = stores.operations.get(stores.identity(), operation.id)
    assert found is not None and (found.cancel_requested, found.revision) == (True, operation.revision)
    fact = operation.at(Phase.PREPARE, NOW)
    recorded = stores.operations.record(fact)
    assert recorded.cancel_requested
    assert stores.operations.record(fact) == recorded
    with pytest.raises(Stale):
        stores.operations.ask_for_end(operation)


def test_a_wish_ends_with_its_operation(stores: Stores) -> None:
    operation = stores.operations.open(stores.operation(1))
    stores.operations.ask_for_end(operation)
    stores.operations.record(operation.at(Phase.FAILED, NOW))
    assert not stores.operations.open(stores.operation(2)).cancel_requested


def test_wishes_and_facts_at_once_lose_nothing(stores: Stores) -> None:
    for number in range(5):
        operation = stores.operations.open(stores.operation(number))
        told = at_once(
            lambda one=operation: stores.operations.ask_for_end(one),
            lambda one=operation: stores.operations.record(one.at(Phase.PREPARE, NOW)),
        )
        found = stores.operations.get(stores.identity(), operation.id)
        assert found is not None and found.phase is Phase.PREPARE
        # The fact is stored in any case; the wish is, or its asker is told to look again.
        assert sum(type(one).__name__ == "Operation" for one in told) == 1
        assert found.cancel_requested is not any(isinstance(one, Stale) for one in told)
        stores.operations.record(found.at(Phase.FAILED, NOW))


def test_only_the_newest_ended_operations_are_kept(stores: Stores) -> None:
    for number in range(5):
        opened = stores.operations.open(stores.operation(number))
        stores.operations.record(opened.at(Phase.FAILED, opened.created_at))
    assert [one.id for one in stores.operations.history(stores.identity())] == [
        "operation-4",
        "operation-3",
        "operation-2",
    ]


# Commands.


def claim(stores: Stores, owner: str = "one", seconds: float = 0.0, command_id: str = "command-1") -> Command | None:
    now = NOW + timedelta(minutes=5, seconds=seconds)
    return stores.commands.claim(stores.agent, command_id, owner, now, now + timedelta(seconds=30))


def test_a_command_is_found_as_it_was_submitted_first(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    stores.commands.submit(replace(stores.command(), arguments={"name": "other"}))
    assert stores.commands.get(stores.agent, "command-1") == stores.command()
    assert stores.commands.get(stores.agent, "another") is None


def test_a_claimed_command_is_not_claimed_by_another(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    claimed = claim(stores)
    assert claimed is not None
    assert (claimed.state, claimed.owner, claimed.attempts) == (CommandState.RUNNING, "one", 1)
    assert claim(stores, "two") is None
    assert claim(stores, "one") is None


def test_of_many_who_claim_at_once_one_gets_it(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    found = at_once(*(lambda n=n: claim(stores, f"owner-{n}") for n in range(5)))
    assert sum(one is not None for one in found) == 1


def test_a_command_whose_lease_ran_out_can_be_claimed(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    claim(stores)
    taken = claim(stores, "two", seconds=31)
    assert taken is not None and taken.attempts == 2


def test_a_renewed_claim_lasts_longer(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    claimed = claim(stores)
    assert claimed is not None
    assert stores.commands.renew(claimed, NOW + timedelta(minutes=10))
    assert claim(stores, "two", seconds=60) is None


def test_a_lost_claim_can_neither_be_renewed_nor_ended(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    lost = claim(stores)
    claim(stores, "two", seconds=31)
    assert lost is not None
    assert not stores.commands.renew(lost, NOW + timedelta(hours=1))
    assert not stores.commands.finish(replace(lost, state=CommandState.DONE, ended_at=NOW))


def test_an_owner_who_claims_again_has_lost_the_first_claim(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    first, second = claim(stores), claim(stores, seconds=31)
    assert first is not None and second is not None
    assert not stores.commands.finish(replace(first, state=CommandState.DONE, ended_at=NOW))
    assert stores.commands.finish(replace(second, state=CommandState.DONE, ended_at=NOW))


def test_an_ended_command_keeps_its_result_and_is_claimed_no_more(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    claimed = claim(stores)
    assert claimed is not None
    ended = replace(claimed, state=CommandState.FAILED, result={"error": "no"}, ended_at=NOW)
    assert stores.commands.finish(ended)
    found = stores.commands.get(stores.agent, "command-1")
    assert found is not None
    assert (found.state, found.result, found.ended) == (CommandState.FAILED, {"error": "no"}, True)
    assert claim(stores, seconds=3600) is None


def test_what_is_released_can_be_claimed_at_once_and_nothing_else(stores: Stores) -> None:
    stores.commands.submit(stores.command(1))
    stores.commands.submit(stores.command(2))
    claim(stores, "gone")
    claim(stores, "there", command_id="command-2")
    stores.commands.release(stores.agent, "gone")
    assert claim(stores, "next") is not None
    assert claim(stores, "next", command_id="command-2") is None


def test_waiting_commands_come_oldest_first(stores: Stores) -> None:
    for number in (3, 1, 2):
        stores.commands.submit(stores.command(number))
    claim(stores, command_id="command-2")
    later = NOW + timedelta(minutes=5)
    assert [one.id for one in stores.commands.waiting(stores.agent, later)] == ["command-1", "command-3"]


def test_old_results_are_thrown_away(stores: Stores) -> None:
    stores.commands.submit(stores.command())
    claimed = claim(stores)
    assert claimed is not None
    stores.commands.finish(replace(claimed, state=CommandState.DONE, ended_at=NOW))
    assert stores.commands.purge(stores.agent, NOW + RETENTION) == 0
    assert stores.commands.purge(stores.agent, NOW + RETENTION + timedelta(seconds=1)) == 1
    assert stores.commands.get(stores.agent, "command-1") is None


def test_who_sends_to_a_viewer_is_known_as_long_as_a_connection_can_last(stores: Stores) -> None:
    stores.commands.submit(replace(stores.command(), kind=CommandKind.STREAM_LOGS))
    stores.commands.submit(stores.command(2))
    claimed = claim(stores)
    assert claimed is not None
    stores.commands.finish(replace(claimed, state=CommandState.DONE, ended_at=NOW))
    assert stores.commands.purge(stores.agent, NOW + timedelta(hours=2)) == 0
    assert [one.id for one in stores.commands.of_kind(stores.agent, CommandKind.STREAM_LOGS)] == ["command-1"]
    assert stores.commands.purge(stores.agent, NOW + timedelta(hours=3)) == 1


# Containers, audit rows and backups.


def test_containers_are_found_by_identity_and_by_watcher(stores: Stores) -> None:
    plain = Details(env=(EnvEntry("TZ", "Europe/Berlin", False),))
    web = container("web", agent=stores.agent, details=plain)
    other = container("db", agent=stores.agent, watcher="other", details=plain)
    stores.containers.save([web, other])
    assert stores.containers.get(web.identity) == web
    assert stores.containers.of_watcher(stores.agent, "local") == [web]
    assert stores.containers.of_watcher(stores.agent, "loc") == []
    stores.containers.remove([web.identity, stores.identity("nobody")])
    assert stores.containers.get(web.identity) is None


def test_the_value_of_a_secret_variable_is_not_stored(stores: Stores) -> None:
    secret = Details(env=(EnvEntry("DATABASE_PASSWORD", "s3cret", True),))
    stores.containers.save([container("web", agent=stores.agent, details=secret)])
    found = stores.containers.get(stores.identity())
    assert found is not None and found.details.env == (EnvEntry("DATABASE_PASSWORD", "***", True),)


def test_the_same_audit_row_is_kept_once(stores: Stores) -> None:
    rows = [
        AuditEntry(f"row-{n}", NOW + timedelta(seconds=n), "rollback", "success", stores.identity()) for n in (1, 2)
    ]
    stores.audit.add(rows)
    stores.audit.add(rows)
    assert [row.id for row in stores.audit.newest([stores.agent], 10)] == ["row-2", "row-1"]


def test_only_the_newest_backups_of_one_container_are_kept(stores: Stores) -> None:
    for number in range(4):
        for name in ("web", "db"):
            at = NOW + timedelta(minutes=number)
            identity = stores.identity(name)
            backup = Backup(f"{name}-{number}", identity, "a" * 64, "app", str(number), None, None, at, "docker.local")
            stores.backups.add(backup)
            stores.backups.add(backup)
    stores.backups.keep(stores.identity("web"), 2)
    assert [one.id for one in stores.backups.of(stores.identity("web"))] == ["web-3", "web-2"]
    assert len(stores.backups.of(stores.identity("db"))) == 4
    assert len(stores.backups.of_agent(stores.agent)) == 6
