"""Operations: what their phases say, how they are told, and which are kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from chalicelib.domain.container import Identity
from chalicelib.domain.operation import (
    PATIENCE,
    REASONS,
    Operation,
    Phase,
    original_name,
    prune,
    temporary_name,
)
from chalicelib.wire import operation as wire

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
WEB = Identity("local", "local", "web")
ENDS = {
    Phase.SUCCEEDED: "succeeded",
    Phase.ROLLED_BACK: "rolled-back",
    Phase.ROLLBACK_FAILED: "failed",
    Phase.FAILED: "failed",
}
SHOWN_STATUSES = {"in-progress", "succeeded", "rolled-back", "failed"}
SHOWN_PHASES = {
    "prepare",
    "renamed",
    "new-created",
    "old-stopped",
    "new-started",
    "health-gate",
    "health-gate-passed",
    "succeeded",
    "rollback-started",
    "rolled-back",
    "rollback-failed",
}


def an_operation(number: int = 1, **facts: object) -> Operation:
    at = NOW + timedelta(minutes=number)
    return replace(Operation(f"operation-{number}", WEB, "a" * 64, at, at), **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize("phase", list(Phase))
def test_a_phase_says_whether_it_has_ended_and_how(phase: Phase) -> None:
    reached = an_operation().at(phase, NOW)
    assert reached.status == ENDS.get(phase, "in-progress")
    assert reached.ended is (phase in ENDS)
    assert reached.ended_at == (NOW if phase in ENDS else None)


@pytest.mark.parametrize("phase", list(Phase))
@pytest.mark.parametrize("then", [None, Phase.FAILED, Phase.ROLLBACK_STARTED, Phase.ROLLED_BACK])
def test_only_the_contracts_words_are_shown(phase: Phase, then: Phase | None) -> None:
    told = an_operation() if phase is Phase.QUEUED else an_operation().at(phase, NOW)
    told = told.at(then, NOW) if then else told
    assert told.status in SHOWN_STATUSES
    assert told.shown_phase in SHOWN_PHASES


def test_what_failed_shows_how_far_it_came() -> None:
    assert an_operation().at(Phase.PREPARE, NOW).at(Phase.FAILED, NOW).shown_phase == "prepare"


def test_how_far_it_came_is_kept_while_it_is_undone() -> None:
    undone = an_operation().at(Phase.NEW_STARTED, NOW).at(Phase.ROLLBACK_STARTED, NOW).at(Phase.ROLLED_BACK, NOW)
    assert (undone.reached, undone.shown_phase) == (Phase.NEW_STARTED, "rolled-back")


@pytest.mark.parametrize("code", list(REASONS))
def test_every_reason_is_told_as_a_sentence(code: str) -> None:
    told = an_operation(reason_code=code).rollback_reason
    assert told is not None and told[0].isupper() and " " in told


def test_an_unknown_reason_is_told_as_it_is() -> None:
    assert an_operation(reason_code="sunspots").rollback_reason == "sunspots"
    assert an_operation().rollback_reason is None


def test_what_was_heard_of_long_before_anybody_listened_is_forgotten() -> None:
    operation = an_operation()
    assert not operation.forgotten(operation.updated_at + PATIENCE)
    assert operation.forgotten(operation.updated_at + PATIENCE + timedelta(seconds=1))
    assert not operation.forgotten(operation.updated_at - timedelta(hours=1))


@pytest.mark.parametrize("name", ["web", "web-old", "a-old-1790000000000", "x.y_z-1"])
def test_a_temporary_name_leads_back_to_its_original(name: str) -> None:
    assert original_name(temporary_name(name, NOW)) == name


@pytest.mark.parametrize(
    "name", ["web", "web-old", "web-old-2", "web-old-123456789", "-old-1790000000000", "old-1790000000000"]
)
def test_an_ordinary_name_is_no_temporary_one(name: str) -> None:
    assert original_name(name) is None


def test_the_newest_are_kept_and_shown_first() -> None:
    history = [an_operation(number).at(Phase.SUCCEEDED, NOW) for number in (2, 4, 1, 3)]
    assert [one.id for one in prune(history, NOW, keep=2, days=30)] == ["operation-4", "operation-3"]


def test_what_is_too_old_goes() -> None:
    history = [an_operation(1).at(Phase.FAILED, NOW)]
    assert prune(history, NOW + timedelta(days=30), keep=9, days=30) == history
    assert prune(history, NOW + timedelta(days=30, seconds=1), keep=9, days=30) == []


@given(some.lists(some.tuples(some.integers(0, 99), some.booleans()), max_size=30), some.integers(1, 5))
def test_an_open_operation_is_never_forgotten(facts: list[tuple[int, bool]], keep: int) -> None:
    history = [
        an_operation(number, id=f"{place}") if is_open else an_operation(number, id=f"{place}").at(Phase.FAILED, NOW)
        for place, (number, is_open) in enumerate(facts)
    ]
    kept = prune(history, NOW + timedelta(days=100), keep=keep, days=1)
    assert {one.id for one in kept} == {one.id for one in history if not one.ended}


def test_an_operation_that_goes_well_shows_no_error() -> None:
    told = wire.write(an_operation().at(Phase.SUCCEEDED, NOW, last_error="the old one resists", reason_code=None))
    assert not {"lastError", "rollbackReason", "rollbackReasonCode"} & set(told)


def test_a_rollback_shows_its_reason_and_a_failure_its_error() -> None:
    facts = {"last_error": "exit 3", "reason_code": "start_new_failed"}
    rolled_back = wire.write(an_operation().at(Phase.ROLLED_BACK, NOW, **facts))
    assert rolled_back["rollbackReason"] == REASONS["start_new_failed"]
    assert rolled_back["rollbackReasonCode"] == "start_new_failed"
    failed = wire.write(an_operation().at(Phase.ROLLBACK_FAILED, NOW, **facts))
    assert (failed["status"], failed["phase"], failed["lastError"]) == ("failed", "rollback-failed", "exit 3")
