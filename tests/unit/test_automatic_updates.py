"""Updates nobody asks for: which containers, by which trigger, and never the same failure twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.container import Container
from chalicelib.domain.operation import RECREATION, Operation, Phase
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_settings import read
from chalicelib.usecases.update_automatically import acting, tried
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


def test_other_operations_are_no_failures_of_the_candidate() -> None:
    assert not known(past(Phase.SUCCEEDED), past(Phase.PREPARE), past(Phase.ROLLED_BACK, kind=RECREATION))


def test_an_image_set_may_name_the_trigger() -> None:
    assert acting(replace(WEB, wishes=replace(WEB.wishes, trigger_include="docker.local")), docker()) is not None
