"""Checks of many containers: what nobody foresaw is told of the container it happened to, and touches no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.domain.container import Result
from chalicelib.domain.reference import Repository
from local_runtime.executor.watching.checks import Checks
from tests.builders.detection import a_container
from tests.fakes.registry import FakeRegistry
from tests.fakes.services import StillClock


class Surprising(FakeRegistry):
    """A registry whose answers about one repository break whoever reads them."""

    def tags(self, repository: Repository) -> Sequence[str]:
        if repository.path == "odd":
            raise IndexError("string index out of range")
        return super().tags(repository)


def test_what_nobody_foresaw_is_an_error_of_the_container_and_keeps_its_last_result() -> None:
    registry = Surprising()
    for tag in ("1.0.0", "1.1.0"):
        registry.push_image("web", tag)
    services: Any = SimpleNamespace(
        registries=SimpleNamespace(cycle=lambda **_: registry),
        patterns=Re2Patterns(),
        clock=StillClock(),
        agents=SimpleNamespace(all=list),
    )
    checks = Checks(services)
    odd = replace(a_container("registry.example:5000/odd:1.0.0"), result=Result("1.2.0"))
    found = {one.image.name: one for one in checks.of([odd, a_container()])}
    checks.stop()
    assert found["odd"].error == "It could not be checked: IndexError. The executor's log tells more."
    assert found["odd"].result == Result("1.2.0")
    assert found["web"].error is None and found["web"].update.remote_value == "1.1.0"
