"""Starting, stopping and restarting: done once or twice it ends the same, is told, and is seen at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import NotFound
from chalicelib.ports.engine import EngineError, EngineRejected
from tests.builders.updates import AGENT, Bench

WEB = Identity(AGENT, "local", "web")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def order(bench: Bench, kind: CommandKind, container_id: str) -> None:
    command = Command(bench.clock.new_id(), AGENT, kind, bench.clock.now(), arguments=about(WEB, container_id))
    bench.commands.submit(command)
    bench.performer.perform(bench.claim(command.id), bench.clock.now())


def status(bench: Bench) -> str:
    found = bench.containers.get(WEB)
    assert found is not None
    return found.status


@pytest.mark.parametrize(
    ("kind", "runs_before", "after"),
    [
        (CommandKind.START, False, "running"),
        (CommandKind.START, True, "running"),
        (CommandKind.STOP, True, "exited"),
        (CommandKind.STOP, False, "exited"),
        (CommandKind.RESTART, True, "running"),
        (CommandKind.RESTART, False, "running"),
    ],
)
def test_it_ends_in_the_asked_state_from_wherever_it_began_and_is_stored_at_once(
    bench: Bench, kind: CommandKind, runs_before: bool, after: str
) -> None:
    made = bench.run("web")
    if not runs_before:
        bench.engine.stop(made)
        bench.station().watcher.refresh(made)
    for _ in range(2):
        order(bench, kind, made)
        assert (bench.names(), status(bench)) == ({"web": after}, after)
    rows = bench.audit.newest([AGENT], 9)
    told = [(row.action, row.status, row.identity) for row in rows if row.action.startswith("container-")]
    assert told[:2] == [(f"container-{kind}", "success", WEB)] * 2


def test_repeated_after_a_crash_it_is_told_once(bench: Bench) -> None:
    made = bench.run("web")
    command = Command("asked", AGENT, CommandKind.STOP, bench.clock.now(), arguments=about(WEB, made))
    bench.commands.submit(command)
    bench.performer.perform(bench.claim("asked"), bench.clock.now())
    bench.performer.perform(bench.claim_again("asked"), bench.clock.now())
    assert [row.status for row in bench.audit.entries if row.action == "container-stop"] == ["success"]


def test_what_the_engine_refuses_is_told_with_its_words(bench: Bench) -> None:
    made = bench.run("web")
    bench.engine.fail(on="stop", error=EngineRejected(500, "cannot kill it"))
    with pytest.raises(EngineError, match="cannot kill it"):
        order(bench, CommandKind.STOP, made)
    row = bench.audit.newest([AGENT], 1)[0]
    assert (row.action, row.status, row.details) == ("container-stop", "error", "cannot kill it")
    assert status(bench) == "running"


def test_a_container_that_is_gone_is_not_found(bench: Bench) -> None:
    made = bench.run("web")
    bench.engine.remove(made, force=True)
    with pytest.raises(NotFound):
        order(bench, CommandKind.START, made)
