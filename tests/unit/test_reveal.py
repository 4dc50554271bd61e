"""What an executor answers when it is asked for an environment, and where nothing of it may be seen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import NotFound
from chalicelib.domain.policy import NO_POLICY
from tests.builders.updates import AGENT, Bench

WEB = Identity(AGENT, "local", "web")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def reveal(bench: Bench, container_id: str) -> Any:
    arguments = about(WEB, container_id)
    bench.commands.submit(Command("reveal-1", AGENT, CommandKind.REVEAL, bench.clock.now(), arguments=arguments))
    return bench.performer.perform(bench.claim("reveal-1"), bench.clock.now())


def test_the_environment_is_what_the_engine_says_in_its_order(bench: Bench) -> None:
    container = bench.run(Env=["B=2", "DB_PASSWORD=a=b", "EMPTY=", "BARE"])
    found = reveal(bench, container)["env"]
    assert [pair for pair in found if pair[0] != "VERSION"] == [
        ["B", "2"],
        ["DB_PASSWORD", "a=b"],
        ["EMPTY", ""],
        ["BARE", ""],
    ]


def test_a_container_that_is_gone_has_no_environment(bench: Bench) -> None:
    bench.run()
    with pytest.raises(NotFound):
        reveal(bench, "f" * 64)


def test_secrets_are_neither_stored_nor_logged_nor_audited(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    container = bench.run(Env=["DB_PASSWORD=hunter2-hunter2"])
    with caplog.at_level(logging.DEBUG):
        assert "hunter2" in repr(reveal(bench, container))
    stored = bench.containers.get(WEB)
    assert stored is not None
    assert stored.watcher_policy == NO_POLICY
    assert "hunter2" not in repr([stored, bench.audit.entries, caplog.text])
