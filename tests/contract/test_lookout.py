"""Looking after updated containers, over a real store and an engine in memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Container
from chalicelib.domain.operation import ROLLBACK, Operation, Phase
from local_runtime.executor.aftercare.lookout import Lookout
from tests.builders.api import Api, api_over
from tests.builders.containers import NOW, container
from tests.fakes.engine import FakeEngine

CHECK = {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 1, "Timeout": 1_000_000_000}
LABELS = {"dd.rollback.auto": "true", "dd.rollback.window": "60000", "dd.rollback.interval": "5000"}


class Scene:
    """A container that was updated just now, and becomes unhealthy after twenty seconds."""

    def __init__(self, api: Api) -> None:
        self.api = api
        api.host.silent = True
        self.engine = FakeEngine()
        self.engine.add_image("web:2", {"Healthcheck": CHECK}, health=((0, "healthy"), (20, "unhealthy")))
        self.id = self.engine.create("web", {"Image": "web:2"})
        self.engine.start(self.id)
        self.container: Container = replace(container("web"), id=self.id, labels=LABELS)
        api.add(self.container)
        one = self.container
        backup = Backup("op", one.identity, "a" * 64, "web", "1", None, "sha256:" + "b" * 64, NOW, "docker.local")
        api.services.backups.add(backup)
        asked = Operation("op", one.identity, "a" * 64, NOW, NOW, to_version="2")
        opened = api.services.operations.open(asked)
        self.operation = api.services.operations.record(opened.at(Phase.SUCCEEDED, NOW, new_container_id=self.id))
        self.lookout = self.another()

    def another(self) -> Lookout:
        """The lookout of the next executor."""
        found = Lookout(self.api.services)
        found.attach({"local": self.engine})
        return found

    def pass_time(self, seconds: float, lookout: Lookout | None = None) -> timedelta | None:
        self.engine.advance(seconds)
        clock = self.api.services.clock
        clock.at += timedelta(seconds=seconds)  # type: ignore[attr-defined]
        now: datetime = clock.now()
        return (lookout or self.lookout).look(now)

    @property
    def rollbacks(self) -> list[Operation]:
        history = self.api.services.operations.history(self.container.identity)
        return [one for one in history if one.kind == ROLLBACK]


@pytest.fixture
def scene(api_store: str) -> Iterator[Scene]:
    with api_over(api_store) as api:
        yield Scene(api)


def test_one_that_becomes_unhealthy_is_rolled_back_once(scene: Scene) -> None:
    scene.lookout.begin(None, scene.operation, scene.container)
    assert scene.pass_time(5) == timedelta(seconds=5)
    assert scene.rollbacks == []
    assert scene.pass_time(16) is None
    (asked,) = scene.rollbacks
    assert (asked.automatic, asked.backup_id, asked.container_id) == (True, "op", scene.id)
    assert [one.arguments["operation_id"] for one in scene.api.services.commands.waiting("local", NOW)] == [asked.id]
    scene.pass_time(5)
    assert len(scene.rollbacks) == 1


def test_the_next_executor_goes_on_looking(scene: Scene) -> None:
    later = scene.another()
    later.resume()
    scene.pass_time(21, later)
    assert len(scene.rollbacks) == 1


def test_the_next_executor_does_not_look_after_what_was_rolled_back(scene: Scene) -> None:
    scene.lookout.begin(None, scene.operation, scene.container)
    scene.pass_time(21)
    later = scene.another()
    later.resume()
    assert later.look(scene.api.services.clock.now()) is None


def test_after_the_window_nobody_looks(scene: Scene) -> None:
    scene.api.services.clock.at += timedelta(seconds=61)  # type: ignore[attr-defined]
    scene.lookout.begin(None, scene.operation, scene.container)
    scene.lookout.resume()
    assert scene.pass_time(0) is None
    assert scene.rollbacks == []


def test_it_ends_when_the_container_is_gone_or_another_bears_its_name(scene: Scene) -> None:
    scene.lookout.begin(None, scene.operation, scene.container)
    scene.engine.rename(scene.id, "elsewhere")
    assert scene.pass_time(21) is None
    scene.lookout.begin(None, scene.operation, scene.container)
    scene.engine.start(scene.engine.create("web", {"Image": "web:2"}))
    assert scene.pass_time(21) is None
    assert scene.rollbacks == []


def test_it_ends_when_another_operation_begins(scene: Scene) -> None:
    scene.lookout.begin(None, scene.operation, scene.container)
    now = scene.api.services.clock.now() + timedelta(seconds=1)
    scene.api.services.operations.open(Operation("next", scene.container.identity, scene.id, now, now))
    assert scene.pass_time(21) is None
    assert scene.rollbacks == []


def test_who_has_no_health_check_is_not_looked_after(scene: Scene) -> None:
    scene.engine.add_image("web:plain", {})
    scene.engine.remove(scene.id, force=True)
    plain = scene.engine.create("web", {"Image": "web:plain"})
    scene.engine.start(plain)
    operation = replace(scene.operation, id="plain", new_container_id=plain)
    scene.api.services.operations.open(replace(operation, phase=Phase.SUCCEEDED, revision=0))
    scene.lookout.begin(None, operation, scene.container)
    assert scene.pass_time(1) is None


def test_an_engine_that_does_not_answer_is_asked_again(scene: Scene) -> None:
    scene.lookout.begin(None, scene.operation, scene.container)
    scene.engine.fail(on="inspect")
    assert scene.pass_time(21) == timedelta(seconds=5)
    assert scene.pass_time(5) is None
    assert len(scene.rollbacks) == 1


def test_without_anything_to_go_back_to_it_stays_as_it_is(scene: Scene) -> None:
    scene.api.services.backups.keep(scene.container.identity, 0)
    scene.lookout.begin(None, scene.operation, scene.container)
    assert scene.pass_time(21) is None
    (row,) = scene.api.services.audit.newest(["local"], 9)
    assert (row.action, row.status) == ("auto-rollback", "error")
    assert scene.rollbacks == []
