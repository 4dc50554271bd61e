"""Updates nobody asks for: which containers, by which trigger, and never the same failure twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.attempts import tried
from chalicelib.domain.container import Container
from chalicelib.domain.labels import wishes
from chalicelib.domain.operation import CANCELLED, RECREATION, ROLLBACK, Operation, Phase
from chalicelib.domain.policy import NO_POLICY, Policy
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_settings import read
from chalicelib.usecases.update_automatically import acting
from tests.builders.containers import NOW, container, with_update

WEB = with_update(container("web"))


def docker(**options: str) -> tuple[Trigger, ...]:
    variables = {f"DD_ACTION_DOCKER_LOCAL_{name.upper()}": value for name, value in options.items()}
    return read({"DD_ACTION_DOCKER_LOCAL": "", **variables}).triggers


def labelled(**labels: str) -> Container:
    return replace(WEB, labels={f"dd.{name.replace('_', '.')}": value for name, value in labels.items()})


@pytest.mark.parametrize(
    ("options", "one", "acts"),
    [
        ({}, WEB, False),
        ({}, labelled(action_include="docker.local"), True),
        ({}, labelled(trigger_include="local:patch"), False),
        ({}, labelled(trigger_include="local:minor"), True),
        ({}, labelled(notification_include="docker.local"), False),
        ({"auto": "true"}, WEB, True),
        ({"auto": "true"}, labelled(action_exclude="docker.local"), False),
        ({"auto": "true", "threshold": "patch"}, WEB, False),
        ({"auto": "false"}, labelled(action_include="docker.local"), False),
        ({"auto": "true"}, container("calm"), False),
    ],
)
def test_a_container_is_updated_by_itself(options: dict[str, str], one: Container, acts: bool) -> None:
    assert (acting(one, docker(**options)) is not None) == acts


def past(phase: Phase, **facts: Any) -> Operation:
    at = NOW - timedelta(hours=1)
    made = Operation("op", WEB.identity, WEB.id, at, at, phase, from_version="1.2.3", to_version="1.3.0")
    return replace(made, **facts)


def known(*history: Operation, later: timedelta = timedelta(0)) -> bool:
    assert WEB.candidate is not None
    return tried(WEB, WEB.candidate, history, NOW + later)


def test_a_candidate_that_was_rolled_back_is_not_tried_again() -> None:
    assert known(past(Phase.ROLLED_BACK))
    assert known(past(Phase.ROLLED_BACK), later=timedelta(days=90))
    assert known(past(Phase.ROLLBACK_FAILED))


def test_a_newer_candidate_is_a_change() -> None:
    assert not known(past(Phase.ROLLED_BACK, to_version="1.2.9"))


def test_a_container_made_anew_is_a_change() -> None:
    assert not known(past(Phase.ROLLED_BACK, container_id="f" * 64))


def test_a_candidate_that_came_back_is_a_change() -> None:
    assert not known(past(Phase.ROLLED_BACK, created_at=NOW - timedelta(days=9)))


def test_what_failed_before_anything_was_done_is_tried_again_after_a_while() -> None:
    assert known(past(Phase.FAILED))
    assert not known(past(Phase.FAILED), later=timedelta(hours=6))


def test_a_dry_run_is_repeated_no_sooner_than_a_failure() -> None:
    assert known(past(Phase.SUCCEEDED, new_container_id=WEB.id))
    assert not known(past(Phase.SUCCEEDED, new_container_id=WEB.id), later=timedelta(hours=6))


def test_other_operations_are_no_failures_of_the_candidate() -> None:
    assert not known(past(Phase.SUCCEEDED), past(Phase.PREPARE), past(Phase.ROLLED_BACK, kind=RECREATION))


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, {"action_include": "docker.local"}),
        ({}, {"trigger_include": "docker.local"}),
        ({"auto": "onauto"}, {"action_auto": "true"}),
        ({"auto": "true", "threshold": "patch"}, {"action_include": "docker.local:all"}),
    ],
)
def test_an_image_cannot_ask_to_be_updated_by_itself(options: dict[str, str], asked: dict[str, str]) -> None:
    by_operator = labelled(**asked)
    by_operator = replace(by_operator, wishes=wishes(by_operator.labels))
    assert acting(by_operator, docker(**options)) is not None
    by_image = replace(by_operator, inherited_labels=tuple(by_operator.labels))
    assert acting(by_image, docker(**options)) is None


def test_an_image_set_may_name_the_trigger() -> None:
    assert acting(replace(WEB, wishes=replace(WEB.wishes, trigger_include="docker.local")), docker()) is not None


# After a rollback from a candidate that had been moved to with success.

UPDATED, BACK = "b" * 64, WEB.id


def moved(**facts: Any) -> Operation:
    return past(Phase.SUCCEEDED, **{"container_id": "a" * 64, "new_container_id": UPDATED} | facts)


def rolled_back(**facts: Any) -> Operation:
    made = {"kind": ROLLBACK, "container_id": UPDATED, "new_container_id": BACK, "from_version": "1.3.0"}
    return past(Phase.SUCCEEDED, id="back", to_version="1.2.3", **made | facts)


def offered_again(*history: Operation, digest: str | None = None, policy: Policy = NO_POLICY) -> bool:
    """Detected after all of it, as it is when the container that stands again is checked."""
    assert WEB.candidate is not None
    return tried(WEB, replace(WEB.candidate, detected_at=NOW, digest=digest), history, NOW, policy)


def moved_and_back(**facts: Any) -> list[Operation]:
    return [rolled_back(), moved(**facts)]


def undone(**facts: Any) -> list[Operation]:
    return [past(Phase.ROLLED_BACK, created_at=NOW, **facts)]


def test_a_candidate_that_was_rolled_back_from_is_not_tried_again() -> None:
    assert offered_again(rolled_back(), moved())
    assert offered_again(rolled_back())


def test_a_rollback_that_did_not_go_through_left_nothing() -> None:
    failed = replace(rolled_back(), phase=Phase.ROLLED_BACK)
    assert not offered_again(failed, moved())


def test_another_candidate_after_a_rollback_is_a_change() -> None:
    assert not offered_again(rolled_back(from_version="1.2.9"), moved(to_version="1.2.9"))
    assert not offered_again(rolled_back(from_version="1.2.9"))


def test_a_container_made_anew_after_a_rollback_is_a_change() -> None:
    assert not offered_again(rolled_back(new_container_id="c" * 64), moved())


@pytest.mark.parametrize("attempt", [moved_and_back, undone])
def test_a_tag_that_is_pushed_anew_is_a_change(attempt: Any) -> None:
    history = attempt(candidate_digest="sha256:one")
    assert not offered_again(*history, digest="sha256:two")
    assert offered_again(*history, digest="sha256:one")
    assert offered_again(*history, digest=None)


@pytest.mark.parametrize("attempt", [moved_and_back, undone])
def test_another_policy_is_a_change(attempt: Any) -> None:
    snoozed = Policy(snooze_until=NOW - timedelta(minutes=1))
    assert not offered_again(*attempt(), policy=snoozed)
    assert offered_again(*attempt(policy_mark=snoozed.mark), policy=snoozed)
    assert not offered_again(*attempt(policy_mark=snoozed.mark))


def test_a_container_that_slipway_made_anew_on_the_same_image_is_the_same() -> None:
    copy = past(Phase.SUCCEEDED, id="copy", kind=RECREATION, container_id="c" * 64, new_container_id=WEB.id)
    assert known(copy, past(Phase.ROLLED_BACK, container_id="c" * 64))
    assert offered_again(copy, rolled_back(new_container_id="c" * 64), moved())


def test_a_cancelled_update_is_not_begun_again_by_itself() -> None:
    assert known(past(Phase.FAILED, reason_code=CANCELLED), later=timedelta(days=9))
