"""Commands: who may take one up, when one comes too late, and what one is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.command import (
    STALE,
    Command,
    CommandKind,
    CommandState,
    about,
    about_each,
    about_operation,
    operation_of,
    subject,
    subjects,
)
from chalicelib.domain.container import Identity

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WEB = Identity("local", "home", "web")
QUEUED = Command("command-1", "local", CommandKind.STOP, NOW)
MOMENT = timedelta(seconds=1)


def test_a_queued_command_may_be_taken_up() -> None:
    assert QUEUED.claimable(NOW)


def test_a_running_command_may_be_taken_up_once_its_lease_ran_out() -> None:
    running = replace(QUEUED, state=CommandState.RUNNING, lease_until=NOW)
    assert not running.claimable(NOW)
    assert running.claimable(NOW + MOMENT)
    assert replace(running, lease_until=None).claimable(NOW)


@pytest.mark.parametrize("state", [CommandState.DONE, CommandState.FAILED])
def test_an_ended_command_is_never_taken_up(state: CommandState) -> None:
    ended = replace(QUEUED, state=state, lease_until=NOW)
    assert ended.ended
    assert not ended.claimable(NOW + timedelta(days=1))


def test_nobody_expects_a_command_minutes_later() -> None:
    assert not QUEUED.stale(NOW + STALE)
    assert QUEUED.stale(NOW + STALE + MOMENT)


def test_what_was_begun_in_time_is_brought_to_its_end() -> None:
    assert replace(QUEUED, attempts=1).stale(NOW + STALE + MOMENT)
    assert not replace(QUEUED, attempts=2).stale(NOW + STALE + MOMENT)


def test_it_rests_longer_from_attempt_to_attempt_but_never_long() -> None:
    pauses = [replace(QUEUED, attempts=attempts).pause.total_seconds() for attempts in range(1, 9)]
    assert pauses == [1, 2, 4, 8, 10, 10, 10, 10]
    assert replace(QUEUED, attempts=10_000).pause.total_seconds() == 10


def test_it_names_the_container_it_is_about() -> None:
    command = replace(QUEUED, arguments=about(WEB, "a" * 64))
    assert subject(command) == (WEB, "a" * 64)


def test_it_names_the_operation_it_is_about() -> None:
    command = replace(QUEUED, arguments=about_operation(WEB, "a" * 64, "operation-1"))
    assert (subject(command), operation_of(command)) == ((WEB, "a" * 64), "operation-1")


def test_a_check_is_of_those_it_names_or_of_all() -> None:
    others = [WEB, replace(WEB, name="db", watcher="cabin")]
    assert subjects(replace(QUEUED, arguments=about_each(others))) == others
    assert subjects(QUEUED) is None
