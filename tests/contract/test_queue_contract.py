"""What every queue keeps to: the one in memory, which other tests trust, and the one over SQS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chalicelib.adapters.sqs.queue import SqsQueue
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.queues import Queue
from tests.fakes.queue import FakeQueue
from tests.store_process import client_of, running_store

_AGENTS = itertools.count()


@dataclass
class Line:
    """A queue and an agent nobody else has."""

    queue: Queue
    agent: str

    def received(self) -> list[str]:
        return [one.command_id for one in self.queue.receive(self.agent, 1)]


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("queue")) as store:
        yield store.url


@pytest.fixture(params=["memory", "sqs"])
def line(request: pytest.FixtureRequest) -> Line:
    agent = f"agent-{next(_AGENTS)}"
    if request.param == "memory":
        return Line(FakeQueue(), agent)
    return Line(SqsQueue(client_of("sqs", request.getfixturevalue("sqs")), "test-", create=True), agent)


def test_a_woken_agent_hears_of_its_command(line: Line) -> None:
    line.queue.wake(line.agent, "command-1")
    assert line.received() == ["command-1"]


def test_another_agent_hears_nothing(line: Line) -> None:
    line.queue.wake(line.agent, "command-1")
    assert line.queue.receive(f"{line.agent}-other", 0) == []


def test_what_is_done_with_does_not_come_again(line: Line) -> None:
    line.queue.wake(line.agent, "command-1")
    (wake_up,) = line.queue.receive(line.agent, 1)
    line.queue.done(line.agent, wake_up)
    line.queue.done(line.agent, wake_up)
    assert line.received() == []


def test_what_was_received_is_not_received_twice_at_once(line: Line) -> None:
    line.queue.wake(line.agent, "command-1")
    assert line.received() == ["command-1"]
    assert line.received() == []


def test_what_is_given_back_comes_again_at_once(line: Line) -> None:
    line.queue.wake(line.agent, "command-1")
    (wake_up,) = line.queue.receive(line.agent, 1)
    line.queue.give_back(line.agent, wake_up)
    (again,) = line.queue.receive(line.agent, 1)
    assert again.command_id == "command-1"
    line.queue.done(line.agent, again)
    assert line.received() == []


def test_many_messages_all_arrive(line: Line) -> None:
    for number in range(15):
        line.queue.wake(line.agent, f"command-{number}")
    found: list[str] = []
    while batch := line.received():
        assert len(batch) <= 10
        found += batch
    assert sorted(found) == sorted(f"command-{number}" for number in range(15))


def test_an_empty_line_gives_nothing(line: Line) -> None:
    assert line.queue.receive(line.agent, 0) == []


def test_a_queue_that_does_not_answer_is_unavailable(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running_store(tmp_path_factory.mktemp("gone")) as store:
        url = store.url
    for queue in (SqsQueue(client_of("sqs", url), "test-", create=True), FakeQueue(broken=True)):
        with pytest.raises(Unavailable):
            queue.wake("local", "command-1")
        with pytest.raises(Unavailable):
            queue.receive("local", 0)
