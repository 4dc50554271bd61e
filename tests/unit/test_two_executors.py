"""Two executors on one line: however messages come, each update or rollback is carried out once, by one of them."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.operation import ROLLBACK, UPDATE, Phase
from local_runtime.executor.worker import Worker
from tests.builders.updates import AGENT, Bench
from tests.fakes.queue import FakeQueue

NAMES = ("a", "b", "c", "d")


def executor(bench: Bench, owner: str, queue: FakeQueue) -> Worker:
    """One more executor with locks of its own: only the stores keep the two apart."""
    other = Bench(bench.folder)
    for shared in ("engine", "operations", "commands", "containers", "backups", "audit", "clock"):
        setattr(other, shared, getattr(bench, shared))
    other.rebuild()
    perform = other.performer.perform
    return Worker(AGENT, owner, bench.commands, bench.operations, queue, bench.clock, perform, len(NAMES))


def facts(bench: Bench, kind: str) -> dict[str, Any]:
    if kind == UPDATE:
        return {}
    bench.engine.pull("app:2")
    return {"kind": ROLLBACK, "backup_id": "kept", "wanted_image_id": bench.engine.image("app:2")["Id"]}


@pytest.mark.parametrize("kind", [UPDATE, ROLLBACK])
def test_doubled_and_shuffled_messages_move_each_container_once(tmp_path: Path, kind: str) -> None:
    bench, queue = Bench(tmp_path), FakeQueue()
    known = facts(bench, kind)
    for name in NAMES:
        bench.run(name)
    asked = [bench.ask(name, **known) for name in NAMES]
    bench.engine.calls.clear()
    workers = [executor(bench, f"owner-{number}", queue) for number in range(2)]
    messages = [one.id for one in asked] * 5
    for number in range(len(messages)):
        queue.wake(AGENT, messages[number * 7 % len(messages)])
    for worker in workers:
        worker.start()
    deadline = time.monotonic() + 20
    while not all((one := bench.commands.get(AGENT, each.id)) is not None and one.ended for each in asked):
        assert time.monotonic() < deadline, [bench.ended(each).phase for each in asked]
        time.sleep(0.005)
    queue.time_out()
    for each in asked:
        queue.wake(AGENT, each.id)
    time.sleep(0.3)
    for worker in workers:
        worker.stop(5)
    assert [bench.ended(each).phase for each in asked] == [Phase.SUCCEEDED] * len(NAMES)
    assert Counter(name for call, name in bench.engine.calls if call == "create") == Counter(NAMES)
    assert bench.names() == dict.fromkeys(NAMES, "running")
    assert {bench.engine.inspect(name)["Config"]["Image"] for name in NAMES} == {"app:2"}
    action = "rollback" if kind == ROLLBACK else "update-applied"
    assert Counter(row.identity.name for row in bench.audit.entries if row.action == action) == Counter(NAMES)
