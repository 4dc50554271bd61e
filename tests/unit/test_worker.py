"""The worker works off every command once, whatever happens to messages, leases and the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.command import LEASE, RETENTION, STALE, Command, CommandKind, CommandState, about_operation
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Failed, Stale, Unavailable
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import EngineRejected, EngineUnavailable
from local_runtime.executor.claim import Claim
from local_runtime.executor.worker import BESIDE_UPDATES, Worker
from tests.fakes.queue import FakeQueue
from tests.fakes.services import NOON, StillClock
from tests.fakes.stores import FakeCommands, FakeOperations

AGENT, OWNER = "local", "owner-1"
WEB = Identity(AGENT, "local", "web")


@dataclass
class Bench:
    """A worker with everything around it. `perform` is what a command does; `performed` lists the claims."""

    commands: FakeCommands = field(default_factory=FakeCommands)
    operations: FakeOperations = field(default_factory=FakeOperations)
    queue: FakeQueue = field(default_factory=FakeQueue)
    clock: StillClock = field(default_factory=StillClock)
    performed: list[Claim] = field(default_factory=list)
    attentive: list[datetime] = field(default_factory=list)
    perform: Callable[[Claim], Mapping[str, Any]] = lambda claim: {"done": claim.command.id}
    workers: list[Worker] = field(default_factory=list)

    def worker(self, owner: str = OWNER, updates: int = 2) -> Worker:
        made = Worker(AGENT, owner, self.commands, self.operations, self.queue, self.clock, self._perform, updates)
        self.workers.append(made)
        return made

    def submit(self, number: int = 1, kind: CommandKind = CommandKind.STOP, **changes: Any) -> Command:
        command = Command(f"command-{number}", AGENT, kind, self.clock.now(), **changes)
        self.commands.submit(command)
        return command

    def state(self, number: int = 1) -> Command:
        found = self.commands.get(AGENT, f"command-{number}")
        assert found is not None
        return found

    def ended(self, number: int = 1) -> Command:
        return until(lambda: self.state(number) if self.state(number).ended else None)

    def times(self, number: int = 1) -> int:
        return sum(claim.command.id == f"command-{number}" for claim in self.performed)

    def _perform(self, claim: Claim, attentive_since: datetime) -> Mapping[str, Any]:
        self.performed.append(claim)
        self.attentive.append(attentive_since)
        return self.perform(claim)


def until(look: Callable[[], Any]) -> Any:
    """What `look` finds at last."""
    deadline = time.monotonic() + 10
    while not (found := look()):
        assert time.monotonic() < deadline, f"still {found!r}"
        time.sleep(0.002)
    return found


def settle() -> None:
    """Time for something that must not happen."""
    time.sleep(0.05)


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    for worker in made.workers:
        worker.stop(1)


def test_a_command_heard_of_is_performed_and_its_result_stored(bench: Bench) -> None:
    bench.worker().start()
    bench.submit()
    bench.queue.wake(AGENT, "command-1")
    ended = bench.ended()
    assert (ended.state, ended.result, ended.attempts) == (CommandState.DONE, {"done": "command-1"}, 1)


def test_a_refusal_is_the_result(bench: Bench) -> None:
    def refuse(_: Claim) -> Mapping[str, Any]:
        raise Failed("the port is taken")

    bench.perform = refuse
    bench.worker().take(bench.submit())
    ended = bench.ended()
    assert (ended.state, ended.result) == (CommandState.FAILED, {"error": "the port is taken", "error_kind": "Failed"})


def test_an_accident_is_told_with_its_kind(bench: Bench) -> None:
    bench.perform = lambda claim: {"never": claim.nothing}  # type: ignore[attr-defined]
    bench.worker().take(bench.submit())
    assert "AttributeError" in bench.ended().result["error"]


def test_a_message_that_came_twice_changes_nothing(bench: Bench) -> None:
    bench.submit()
    for _ in range(5):
        bench.queue.wake(AGENT, "command-1")
    bench.worker().start()
    bench.ended()
    settle()
    assert bench.times() == 1


def test_a_message_that_comes_again_after_the_end_changes_nothing(bench: Bench) -> None:
    bench.worker().start()
    bench.submit()
    bench.queue.wake(AGENT, "command-1")
    bench.ended()
    bench.queue.wake(AGENT, "command-1")
    settle()
    assert bench.times() == 1


def test_a_message_about_nothing_is_thrown_away(bench: Bench) -> None:
    bench.queue.wake(AGENT, "never-written")
    bench.worker().start()
    bench.submit()
    bench.queue.wake(AGENT, "command-1")
    bench.ended()
    bench.queue.time_out()
    assert list(bench.queue.receive(AGENT, 0)) == []


def test_what_a_lost_message_was_about_is_found(bench: Bench) -> None:
    bench.queue.lossy = True
    bench.submit()
    bench.queue.wake(AGENT, "command-1")
    bench.worker().sweep()
    assert bench.ended().state is CommandState.DONE


def test_messages_in_any_order_are_all_performed(bench: Bench) -> None:
    for number in range(20):
        bench.submit(number)
    for number in sorted(range(20), key=lambda one: one * 7 % 20):
        bench.queue.wake(AGENT, f"command-{number}")
    bench.worker().start()
    for number in range(20):
        bench.ended(number)
        assert bench.times(number) == 1


def test_of_two_executors_one_performs_a_command(bench: Bench) -> None:
    for number in range(20):
        bench.submit(number)
    first, second = bench.worker("owner-1"), bench.worker("owner-2")
    threads = [threading.Thread(target=worker.sweep) for worker in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for number in range(20):
        bench.ended(number)
        assert bench.times(number) == 1


def test_a_queue_that_is_away_delays_and_loses_nothing(bench: Bench) -> None:
    bench.queue.broken = True
    bench.submit()
    bench.worker().start()
    assert bench.ended().state is CommandState.DONE


def test_what_an_earlier_life_had_claimed_is_taken_up_at_once(bench: Bench) -> None:
    bench.submit()
    now = bench.clock.now()
    bench.commands.claim(AGENT, "command-1", OWNER, now, now + LEASE)
    bench.worker().start()
    assert bench.ended().attempts == 2


def test_what_another_holds_is_left_to_them(bench: Bench) -> None:
    bench.submit()
    now = bench.clock.now()
    bench.commands.claim(AGENT, "command-1", "owner-2", now, now + LEASE)
    worker = bench.worker()
    worker.start()
    worker.take(bench.state())
    settle()
    assert bench.performed == []


def test_what_another_let_slip_is_taken_over(bench: Bench) -> None:
    bench.submit()
    now = bench.clock.now()
    bench.commands.claim(AGENT, "command-1", "owner-2", now, now + LEASE)
    bench.clock.sleep(LEASE.total_seconds() + 1)
    bench.worker().sweep()
    assert bench.ended().owner == OWNER


def test_a_claim_that_was_lost_is_not_ended_by_its_loser(bench: Bench) -> None:
    going_on = threading.Event()

    def slow(_: Claim) -> Mapping[str, Any]:
        going_on.wait(10)
        return {"by": "the loser"}

    bench.perform = slow
    bench.worker().take(bench.submit())
    until(lambda: bench.performed)
    later = bench.clock.now() + LEASE + timedelta(seconds=1)
    assert bench.commands.claim(AGENT, "command-1", "owner-2", later, later + LEASE) is not None
    going_on.set()
    settle()
    assert (bench.state().state, bench.state().owner) == (CommandState.RUNNING, "owner-2")


def test_a_running_claim_is_kept_alive(bench: Bench) -> None:
    going_on = threading.Event()
    bench.perform = lambda claim: {"waited": going_on.wait(10)}
    worker = bench.worker()
    worker.take(bench.submit())
    until(lambda: bench.performed)
    for _ in range(5):
        bench.clock.sleep(LEASE.total_seconds() * 0.9)
        worker.renew()
    assert bench.commands.claim(AGENT, "command-1", "owner-2", bench.clock.now(), bench.clock.now() + LEASE) is None
    going_on.set()
    assert bench.ended().owner == OWNER


@pytest.mark.parametrize("trouble", [Unavailable("the store is away"), Stale("in other hands")])
def test_what_only_waits_for_the_store_is_tried_again(bench: Bench, trouble: Exception) -> None:
    def first_fails(claim: Claim) -> Mapping[str, Any]:
        if claim.command.attempts == 1:
            raise trouble
        return {}

    bench.perform = first_fails
    worker = bench.worker()
    worker.take(bench.submit())
    until(lambda: bench.performed and bench.state().lease_until < bench.clock.now() + LEASE)
    assert not bench.state().ended
    worker.sweep()
    settle()
    assert bench.times() == 1, "it has a moment's rest first"
    bench.clock.sleep(1.1)
    worker.sweep()
    assert bench.ended().state is CommandState.DONE


@pytest.mark.parametrize("trouble", [EngineUnavailable("no answer"), EngineRejected(500, "the disk is full")])
def test_an_update_whose_host_cannot_be_looked_at_is_taken_up_again(bench: Bench, trouble: Exception) -> None:
    def first_fails(claim: Claim) -> Mapping[str, Any]:
        if claim.command.attempts == 1:
            raise trouble
        return {}

    bench.perform = first_fails
    worker = bench.worker()
    worker.take(bench.submit(kind=CommandKind.UPDATE))
    until(lambda: bench.performed and bench.state().lease_until < bench.clock.now() + LEASE)
    bench.clock.sleep(1.1)
    worker.sweep()
    assert bench.ended().state is CommandState.DONE


def test_nobody_waits_longer_for_a_stop_than_for_the_engine(bench: Bench) -> None:
    def fail(_: Claim) -> Mapping[str, Any]:
        raise EngineUnavailable("no answer")

    bench.perform = fail
    bench.worker().take(bench.submit())
    assert bench.ended().result["error"] == "no answer"


@pytest.mark.parametrize("lost", ["the order", "the answer"])
def test_a_store_that_stumbles_at_the_claim_or_the_end_is_asked_again(bench: Bench, lost: str) -> None:
    command = bench.submit()
    bench.commands.outage.away(before=1 if lost == "the order" else 0, after=1 if lost == "the answer" else 0)

    def stumble(_: Claim) -> Mapping[str, Any]:
        bench.commands.outage.away(before=1 if lost == "the order" else 0, after=1 if lost == "the answer" else 0)
        return {}

    bench.perform = stumble
    bench.worker().take(command)
    until(lambda: bench.times() == 1)
    until(lambda: bench.commands._items[AGENT, "command-1"].ended)
    assert bench.times() == 1


def test_what_nobody_expects_any_more_is_refused(bench: Bench) -> None:
    bench.submit()
    bench.clock.sleep(STALE.total_seconds() + 1)
    bench.worker().sweep()
    ended = bench.ended()
    assert (ended.state, ended.result["error"]) == (CommandState.FAILED, "the executor heard of it too late")
    assert bench.performed == []


def test_an_operation_decides_itself_whether_it_comes_too_late(bench: Bench) -> None:
    bench.submit(kind=CommandKind.UPDATE)
    bench.clock.sleep(STALE.total_seconds() + 1)
    worker = bench.worker()
    worker.start()
    bench.ended()
    assert bench.attentive == [bench.clock.now()]


def test_only_so_many_updates_run_at_once_and_nothing_else_waits_for_them(bench: Bench) -> None:
    going_on, running, most = threading.Event(), [], []

    def count(claim: Claim) -> Mapping[str, Any]:
        if claim.command.kind is CommandKind.UPDATE:
            running.append(claim)
            most.append(len(running))
            going_on.wait(10)
            running.remove(claim)
        return {}

    bench.perform = count
    worker = bench.worker(updates=2)
    for number in range(20):
        bench.submit(number, CommandKind.UPDATE)
    worker.sweep()
    until(lambda: len(running) == 2)
    worker.take(bench.submit(99))
    assert bench.ended(99).state is CommandState.DONE
    assert bench.state(5).state is CommandState.QUEUED, "what waits its turn can be taken by another executor"
    going_on.set()
    for number in range(20):
        bench.ended(number)
    assert max(most) == 2


def test_what_only_looks_runs_several_at_a_time(bench: Bench) -> None:
    together = threading.Barrier(BESIDE_UPDATES)
    bench.perform = lambda claim: {"place": together.wait(10)}
    worker = bench.worker()
    for number in range(BESIDE_UPDATES):
        bench.submit(number, CommandKind.WATCH)
    worker.sweep()
    assert all(bench.ended(number).state is CommandState.DONE for number in range(BESIDE_UPDATES))


def an_operation(bench: Bench, number: int = 1) -> Operation:
    at = bench.clock.now()
    return bench.operations.open(Operation(f"command-{number}", WEB, "a" * 64, at, at))


def test_an_operation_without_a_command_is_adopted(bench: Bench) -> None:
    operation = an_operation(bench)
    bench.worker().sweep()
    ended = bench.ended()
    assert (ended.kind, ended.arguments) == (CommandKind.UPDATE, about_operation(WEB, "a" * 64, operation.id))


def test_an_operation_whose_command_ended_without_it_gets_another(bench: Bench) -> None:
    operation = an_operation(bench)
    worker = bench.worker()
    worker.sweep()
    bench.ended()
    bench.operations.record(operation.at(Phase.RENAMED, NOON))
    worker.sweep()
    second = f"{operation.id}-2"
    until(lambda: (found := bench.commands.get(AGENT, second)) and found.ended)
    assert bench.performed[-1].command.arguments["operation_id"] == operation.id


def test_an_operation_in_somebodys_hands_is_left_to_them(bench: Bench) -> None:
    operation = an_operation(bench)
    arguments = about_operation(WEB, "a" * 64, operation.id)
    bench.submit(kind=CommandKind.UPDATE, arguments=arguments)
    now = bench.clock.now()
    bench.commands.claim(AGENT, "command-1", "owner-2", now, now + LEASE)
    bench.worker().sweep()
    settle()
    assert bench.performed == []


def test_old_results_are_swept_away(bench: Bench) -> None:
    worker = bench.worker()
    worker.take(bench.submit())
    bench.ended()
    bench.clock.sleep(RETENTION.total_seconds() + 1)
    worker.sweep()
    assert bench.commands.get(AGENT, "command-1") is None


def test_a_stopped_worker_takes_nothing_more_and_lets_what_runs_end(bench: Bench) -> None:
    going_on = threading.Event()
    bench.perform = lambda claim: {"waited": going_on.wait(10)}
    worker = bench.worker()
    worker.start()
    worker.take(bench.submit(1))
    until(lambda: bench.performed)
    threading.Timer(0.1, going_on.set).start()
    worker.stop(5)
    assert bench.state(1).ended
    worker.take(bench.submit(2))
    settle()
    assert bench.state(2).state is CommandState.QUEUED


def test_a_message_a_stopped_worker_still_hears_goes_to_the_next_one(bench: Bench) -> None:
    receive, waiting, go_on, heard = bench.queue.receive, threading.Event(), threading.Event(), threading.Event()

    def late(agent: str, wait_seconds: int) -> Any:
        waiting.set()
        go_on.wait(10)
        found = receive(agent, wait_seconds)
        heard.set()
        return found

    bench.queue.receive = late  # type: ignore[method-assign]
    worker = bench.worker()
    worker.start()
    assert waiting.wait(10)
    worker.stop(0)
    bench.submit()
    bench.queue.wake(AGENT, "command-1")
    go_on.set()
    assert heard.wait(10)
    (again,) = until(lambda: receive(AGENT, 0))
    assert again.command_id == "command-1" and bench.times() == 0
