"""Which updates are looked after for a while, how long, and what ends that."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.operation import RECREATION, ROLLBACK, Operation, Phase
from chalicelib.domain.vigil import vigil
from tests.builders.containers import NOW, container

WEB = container("web")
OLD, NEW, COPY = "a" * 64, "b" * 64, "c" * 64
ASKED = {"dd.rollback.auto": "true"}


def ended(phase: Phase = Phase.SUCCEEDED, **facts: Any) -> Operation:
    made = Operation("op", WEB.identity, OLD, NOW, NOW, phase, new_container_id=NEW, ended_at=NOW)
    return replace(made, **facts)


@pytest.mark.parametrize(
    ("labels", "window", "interval"),
    [
        (ASKED, 300, 10),
        ({"wud.rollback.auto": "TRUE", "wud.rollback.window": "60000", "wud.rollback.interval": "500"}, 60, 0.5),
        (ASKED | {"dd.rollback.window": "soon", "dd.rollback.interval": "-5"}, 300, 10),
        (ASKED | {"dd.rollback.window": "0", "dd.rollback.interval": "0"}, 300, 10),
        (ASKED | {"dd.rollback.window": "1000", "wud.rollback.window": "60000"}, 1, 10),
    ],
)
def test_labels_say_how_long_and_how_often(labels: dict[str, str], window: float, interval: float) -> None:
    found = vigil(ended(), labels)
    assert found is not None
    assert (found.until - NOW, found.interval) == (timedelta(seconds=window), timedelta(seconds=interval))


@pytest.mark.parametrize("labels", [{}, {"dd.rollback.auto": "false"}, {"dd.rollback.auto": "false"} | {"x": "true"}])
def test_who_does_not_ask_is_left_alone(labels: dict[str, str]) -> None:
    assert vigil(ended(), labels) is None


@pytest.mark.parametrize(
    "operation",
    [
        ended(Phase.ROLLED_BACK),
        ended(Phase.FAILED),
        ended(Phase.HEALTH_GATE, ended_at=None),
        ended(kind=RECREATION),
        ended(kind=ROLLBACK),
        ended(new_container_id=OLD),
    ],
)
def test_only_an_update_that_put_another_container_there_is_looked_after(operation: Operation) -> None:
    assert vigil(operation, ASKED) is None


def test_another_operation_ends_it_a_copy_on_the_same_image_does_not() -> None:
    found = vigil(ended(), ASKED)
    assert found is not None
    copied = ended(id="copy", kind=RECREATION, container_id=NEW, new_container_id=COPY)
    assert found.goes_on([copied, ended()])
    assert found.is_about(COPY, [copied, ended()]) and found.is_about(NEW, [ended()])
    assert not found.is_about(COPY, [ended()])
    assert not found.goes_on([ended(Phase.PREPARE, id="next"), ended()])
    assert not found.goes_on([])
