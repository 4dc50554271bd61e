"""Dependencies: who waits for whom, who is skipped when another has failed, and that nothing of it is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.container import Container
from chalicelib.domain.dependency import all_needs, dependents, needs, waves
from chalicelib.domain.operation import Operation, Phase
from chalicelib.usecases.update_in_waves import update_in_waves
from local_runtime.executor.aftercare.companions import restart_companions
from tests.builders.containers import NOW, container, with_update
from tests.builders.updates import Bench
from tests.fakes.audit import FakeAudit
from tests.fakes.stores import FakeOperations


def on(name: str, *above: str, **labels: str) -> Container:
    """A container with an update that depends on others by its label."""
    said = {"dd.depends_on": ",".join(above)} if above else {}
    return replace(with_update(container(name)), labels=said | labels)


def names(found: list[list[object]]) -> list[list[str]]:
    return [[one.name for one in wave] for wave in found]  # type: ignore[attr-defined]


def waves_of(*containers: Container) -> list[list[str]]:
    return names(waves([one.identity for one in containers], needs(containers)))  # type: ignore[arg-type]


def test_each_comes_after_all_it_needs_by_name_within_a_wave() -> None:
    shop = [on("web", "api"), on("api", "db", "cache"), on("db"), on("cache"), on("alone")]
    assert waves_of(*shop) == [["alone", "cache", "db"], ["api"], ["web"]]


def test_a_circle_is_one_wave() -> None:
    assert waves_of(on("a", "b"), on("b", "a"), on("c")) == [["c"], ["a", "b"]]


def test_what_is_not_there_or_elsewhere_is_not_waited_for() -> None:
    assert waves_of(on("web", "db", "web")) == [["web"]]


def test_one_that_does_not_move_still_orders_those_around_it() -> None:
    web, api, db = on("web", "api"), on("api", "db"), on("db")
    assert names(waves([web.identity, db.identity], needs([web, api, db]))) == [["db"], ["web"]]  # type: ignore[arg-type]
    assert dependents(db.identity, needs([web, api, db])) == {web.identity, api.identity}
    assert all_needs(web.identity, needs([web, api, db])) == {api.identity, db.identity}


def test_compose_says_it_within_a_project_unless_a_label_does() -> None:
    def service(name: str, project: str, said: str = "", **labels: str) -> Container:
        known = {"com.docker.compose.project": project, "com.docker.compose.service": name.partition("-")[0]}
        return on(name, **(known | {"com.docker.compose.depends_on": said} | labels))

    web = service("web", "a", "db:service_healthy:false,cache:service_started:true")
    others = [service("db-1", "a"), service("db-2", "a"), service("db-3", "b"), on("cache")]
    direct = needs([web, *others])
    assert {one.name for one in direct[web.identity]} == {"db-1", "db-2"}
    labelled = replace(web, labels={**web.labels, "dd.depends_on": "cache"})
    assert {one.name for one in needs([labelled, *others])[web.identity]} == {"cache"}


class Round:
    """Automatic updates of some containers, over stores that are all there is to remember."""

    def __init__(self, *containers: Container) -> None:
        self.containers = list(containers)
        self.operations, self.audit = FakeOperations(), FakeAudit()
        self.held: set[str] = set()

    def order(self, ready: Sequence[Container]) -> list[str]:
        found = [one for one in ready if one.name not in self.held]
        for one in found:
            self.operations.open(self.operation(one))
        return [one.name for one in found]

    def operation(self, one: Container) -> Operation:
        return Operation(f"op-{one.name}", one.identity, one.id, NOW, NOW, to_version=one.update.remote_value)

    def end(self, name: str, phase: Phase) -> None:
        one = next(one for one in self.containers if one.name == name)
        opened = self.operations.get(one.identity, f"op-{name}")
        assert opened is not None
        self.operations.record(opened.at(phase, NOW))
        if phase is Phase.SUCCEEDED:
            self.containers[self.containers.index(one)] = replace(one, candidate=None)

    def go(self, later: timedelta = timedelta(0)) -> list[str]:
        waiting = [one for one in self.containers if one.candidate is not None and not self.known(one)]
        now = NOW + later
        return update_in_waves(waiting, self.containers, self.operations, self.audit, now, self.order)

    def known(self, one: Container) -> bool:
        return bool(self.operations.history(one.identity))


def test_the_next_wave_begins_when_the_one_before_has_ended() -> None:
    shop = Round(on("web", "api"), on("api", "db"), on("db"))
    assert shop.go() == ["db"]
    assert shop.go() == []
    shop.end("db", Phase.SUCCEEDED)
    assert shop.go() == ["api"]
    shop.end("api", Phase.SUCCEEDED)
    assert shop.go() == ["web"]


@pytest.mark.parametrize("phase", [Phase.ROLLED_BACK, Phase.FAILED, Phase.ROLLBACK_FAILED])
def test_dependents_of_a_failure_are_skipped_and_told_why_once(phase: Phase) -> None:
    shop = Round(on("web", "api"), on("api", "db"), on("db"), on("alone"))
    assert shop.go() == ["alone", "db"]
    shop.end("db", phase)
    assert shop.go() == [] and shop.go() == []
    assert {(one.identity.name, one.action) for one in shop.audit.entries} == {
        ("web", "auto-update-blocked"),
        ("api", "auto-update-blocked"),
    }
    assert len(shop.audit.entries) == 2 and "db, which it depends on" in (shop.audit.entries[0].details or "")
    assert shop.go(timedelta(hours=7)) == ["api"]


def test_what_is_held_back_by_policy_holds_nobody_else() -> None:
    shop = Round(on("web", "db"), on("db"))
    shop.held = {"db"}
    assert shop.go() == ["web"]


def test_a_circle_moves_together() -> None:
    assert Round(on("a", "b"), on("b", "a")).go() == ["a", "b"]


def test_companions_are_restarted_once_after_an_update(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run("db")
    labels = {"dd.depends_on": "db", "dd.depends_on.action": "restart"}
    bench.run("web", Labels=labels)
    bench.run("idle", Labels=labels, start=False)
    bench.run("other", Labels={"dd.depends_on": "db"})
    bench.clock.sleep(5)
    operation = bench.ask("db")
    bench.perform(operation, claim := bench.claim(operation.id))
    bench.clock.sleep(1)
    host = bench.host(claim)
    for _ in range(2):
        restart_companions(host, bench.ended(operation), None)
    restarted = [argument for name, argument in bench.engine.calls if name == "restart"]
    assert restarted == [bench.engine.inspect("web")["Id"]]
    assert [one.identity.name for one in bench.audit.entries if one.action == "container-restart"] == ["web"]
