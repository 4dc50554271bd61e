"""Giving orders: what is written down, who is woken, and how long an asker waits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

from chalicelib.domain.command import LEASE, CommandKind, CommandState
from chalicelib.usecases.order import Ordering
from tests.fakes.queue import FakeQueue
from tests.fakes.services import StillClock
from tests.fakes.stores import FakeCommands


class NoAgents:
    """An AgentStore nobody reported to."""

    def report(self, agent: object, seen_at: object) -> None:
        raise AssertionError("an asker reports nothing")

    def all(self) -> list[object]:
        return []

    def get(self, name: str) -> None:
        return None


@dataclass
class Asking:
    """An asker with ten seconds of patience."""

    clock: StillClock = field(default_factory=StillClock)
    commands: FakeCommands = field(default_factory=FakeCommands)
    queue: FakeQueue = field(default_factory=FakeQueue)

    @property
    def ordering(self) -> Ordering:
        return Ordering(NoAgents(), self.commands, self.queue, self.clock, timedelta(seconds=10))  # type: ignore[arg-type]

    def heard(self) -> int:
        """How often the agent was woken since it last listened."""
        return len(self.queue.receive("local", 0))


def test_an_order_is_written_down_even_while_nobody_can_be_woken() -> None:
    asking = Asking(queue=FakeQueue(broken=True))
    command = asking.ordering.order("local", CommandKind.WATCH, {})
    assert asking.commands.get("local", command.id) == command


def test_an_unclaimed_order_wakes_its_executor_again_every_second() -> None:
    asking = Asking()
    asking.ordering.wait(asking.ordering.order("local", CommandKind.WATCH, {}))
    assert 8 <= asking.heard() <= 11


def test_a_claimed_order_wakes_nobody_any_more() -> None:
    asking = Asking()
    command = asking.ordering.order("local", CommandKind.WATCH, {})
    now = asking.clock.now()
    asking.commands.claim("local", command.id, "somebody", now, now + LEASE)
    asking.ordering.wait(command)
    assert asking.heard() == 1


def test_patience_ends_the_wait_of_an_order_that_does_not_end() -> None:
    asking = Asking()
    begun = asking.clock.now()
    command = asking.ordering.wait(asking.ordering.order("local", CommandKind.WATCH, {}))
    assert not command.ended
    assert asking.clock.now() - begun == timedelta(seconds=10)


def test_several_orders_that_do_not_end_take_no_more_patience_than_one() -> None:
    asking = Asking()
    begun = asking.clock.now()
    agents = ("attic", "cellar", "local")
    waited = asking.ordering.wait_all([asking.ordering.order(agent, CommandKind.WATCH, {}) for agent in agents])
    assert [command.agent for command in waited] == [*agents]
    assert not any(command.ended for command in waited)
    assert asking.clock.now() - begun == timedelta(seconds=10)


def test_an_order_that_has_ended_is_found_though_another_used_the_patience_up() -> None:
    asking = Asking()
    stuck, done = (asking.ordering.order(agent, CommandKind.WATCH, {}) for agent in ("attic", "local"))
    now = asking.clock.now()
    claimed = asking.commands.claim("local", done.id, "somebody", now, now + LEASE)
    assert claimed is not None
    asking.commands.finish(replace(claimed, state=CommandState.DONE, ended_at=now))
    assert [command.ended for command in asking.ordering.wait_all([stuck, done])] == [False, True]
