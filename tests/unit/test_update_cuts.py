"""Every point of an update at which its executor can die, and every second death after some: on an engine in memory.

The same is done on a real engine in tests/docker, where a life takes a second instead of a millisecond, so that there
only one death is tried at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.command import Command
from chalicelib.domain.errors import Failed
from chalicelib.domain.operation import ROLLBACK, Phase
from chalicelib.ports.engine import EngineError
from tests.builders.updates import CHECK, Bench

STRIDE = 5
"""Pairs of deaths are tried from every fifth first one, to keep the number of them bearable."""
WRITES = ("claim", "renew", "finish", "record", "add", "keep", "save", "remove")


class Killed(BaseException):
    """The process ends here."""


@dataclass
class Fuse:
    """Lets so many calls pass, then ends the life; `burnt` says that it did."""

    left: int | None = None
    passed: list[str] = field(default_factory=list)
    burnt: bool = False

    def passing(self, name: str) -> None:
        if self.left is not None:
            if self.left == 0:
                self.burnt = True
                raise Killed
            self.left -= 1
        self.passed.append(name)


class Fused:
    """An object every (chosen) call to which passes the fuse first; once it is burnt, nothing gets through."""

    def __init__(self, inner: Any, name: str, fuse: Fuse, methods: tuple[str, ...] = ()) -> None:
        self._inner, self._name, self._fuse, self._methods = inner, name, fuse, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or (self._methods and name not in self._methods):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._fuse.passing(f"{self._name}.{name}")
            return found(*arguments, **options)

        return call


@dataclass(frozen=True)
class Case:
    """How the container is and what it is to become."""

    name: str
    image: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    start: bool = True
    dependents: tuple[tuple[str, str, str], ...] = ()
    """Containers that run in a namespace of another: the name, the kind of namespace, whose it is."""
    back: bool = False
    """Whether it is a rollback: to `app:2`, remembered by its digest and pulled again."""
    same_tag: bool = False
    """Whether that image went by the tag that leads to the running one now; it is here still."""
    in_registry: bool = False
    """Whether that image went by the tag that leads to the running one now; only the registry has it, by that tag."""
    lost: bool = False
    """Whether it is nowhere any more: in its registry the tag leads to a third image."""


DEPENDENTS = (("side", "NetworkMode", "web"), ("probe", "PidMode", "web"), ("far", "NetworkMode", "probe"))
CASES = (
    Case("plain"),
    Case("checked", {"health": ((2, "healthy"),)}, {"Healthcheck": CHECK}),
    Case("crashing", {"exits": (0.0, 1)}),
    Case("unhealthy", {"health": ((2, "unhealthy"),)}, {"Healthcheck": CHECK}),
    Case("stopped", start=False),
    Case("removing itself", body={"HostConfig": {"AutoRemove": True}}),
    Case("removing itself and crashing", {"exits": (0.0, 1)}, body={"HostConfig": {"AutoRemove": True}}),
    Case("with dependents", dependents=DEPENDENTS),
    Case("crashing, with dependents", {"exits": (0.0, 1)}, dependents=DEPENDENTS),
    Case("removing itself, with a dependent", body={"HostConfig": {"AutoRemove": True}}, dependents=DEPENDENTS[:1]),
    Case(
        "removing itself and crashing, with dependents",
        {"exits": (0.0, 1)},
        body={"HostConfig": {"AutoRemove": True}},
        dependents=DEPENDENTS[:2],
    ),
    Case("restarting always", body={"HostConfig": {"RestartPolicy": {"Name": "always", "MaximumRetryCount": 0}}}),
    Case(
        "restarting on failure and unhealthy",
        {"health": ((2, "unhealthy"),)},
        {"Healthcheck": CHECK},
        {"HostConfig": {"RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}}},
    ),
    Case("back", back=True),
    Case("back in vain", {"exits": (0.0, 1)}, back=True),
    Case("back by digest", back=True, same_tag=True),
    Case("back by digest in vain", {"exits": (0.0, 1)}, back=True, same_tag=True),
    Case("back by tag", back=True, in_registry=True),
    Case("back by tag in vain", {"exits": (0.0, 1)}, back=True, in_registry=True),
    Case("back, stopped", start=False, back=True, same_tag=True),
    Case("back, removing itself", {"exits": (0.0, 1)}, body={"HostConfig": {"AutoRemove": True}}, back=True),
)


class World:
    """A bench that survives its executor: each life has its own fuse."""

    def __init__(self, folder: Path, case: Case) -> None:
        self.bench = Bench(folder)
        self.case = case
        engine = self.bench.engine
        self.target = "app:1" if case.same_tag or case.in_registry or case.lost else "app:2"
        if case.same_tag:
            self.wanted = engine.add_image("app:1", case.config, **case.image)
            engine.tag(engine.add_image("app:new"), "app:1")
        elif case.in_registry or case.lost:
            offered = engine.offer("app:1", case.config, **case.image)
            self.wanted = f"sha256:{'0' * 64}" if case.lost else offered
        else:
            self.wanted = engine.offer("app:2", case.config, **case.image)
        self.old = self.bench.run(start=case.start, **case.body)
        self.before = engine.inspect(self.old)
        for name, kind, provider in case.dependents:
            self.bench.run(name, HostConfig={kind: f"container:{engine.inspect(provider)['Id']}"})
        self.operation = self.bench.ask(target=self.target, **self._facts() if case.back else {})

    def _facts(self) -> dict[str, Any]:
        engine = self.bench.engine
        digest = None
        if self.target == "app:2":
            # Looked at and forgotten again: the registry has it, this engine does not.
            engine.pull("app:2")
            digest = engine.image("app:2")["RepoDigests"][0].partition("@")[2]
            engine.remove_image("app:2")
        return {"kind": ROLLBACK, "backup_id": "b", "wanted_image_id": self.wanted, "wanted_digest": digest}

    def live(self, left: int | None = None) -> Fuse:
        """One life: every open operation and the command are worked on, until the fuse burns."""
        fuse = Fuse(left)
        bench = Bench(self.bench.folder)
        real = self.bench
        bench.engine = Fused(real.engine, "engine", fuse)  # type: ignore[assignment]
        for store in ("operations", "commands", "containers", "backups", "audit"):
            setattr(bench, store, Fused(getattr(real, store), store, fuse, WRITES))
        bench.clock = real.clock
        bench.rebuild()
        with suppress(Killed):
            real.commands.release("local", "owner-1")
            while left := self._left(real):
                for command in left:
                    self._work_on(bench, command)
        return fuse

    def _left(self, bench: Bench) -> list[Command]:
        """What a sweep finds: commands that nobody holds, also for operations that had none."""
        for operation in bench.operations.open_of("local"):
            bench.adopt(operation)
        return bench.commands.waiting("local", bench.clock.now())

    def _work_on(self, bench: Bench, command: Command) -> None:
        claim = bench.claim(command.id)
        with suppress(Failed):
            bench.performer.perform(claim, bench.clock.now())
        bench.end(claim)

    def wrong(self) -> list[str]:
        """What is not as it should be, when all has ended."""
        bench, case = self.bench, self.case
        ended = bench.ended(self.operation)
        found = [f"open: {one}" for one in bench.operations.open_of("local")]
        beside = {name for name, _, _ in case.dependents}
        names = bench.names()
        if set(names) != {"web"} | beside:
            found.append(f"these stand there: {names}")
            return found
        if case.start and names["web"] != "running":
            found.append(f"it is {names['web']}")
        document = bench.engine.inspect("web")
        moved = ended.phase is Phase.SUCCEEDED
        undone = ended.phase is Phase.FAILED and ended.reached is Phase.PREPARE and ended.last_error
        if ended.phase not in (Phase.SUCCEEDED, Phase.ROLLED_BACK) and not undone:
            found.append(f"ended as {ended.phase}: {ended.last_error}")
        if document["Config"]["Image"] != (self.target if moved else "app:1"):
            found.append(f"it runs {document['Config']['Image']} after {ended.phase}")
        image = self.wanted if moved else self.before["Image"]
        if document["Image"] != image or bench.engine.image(document["Config"]["Image"])["Id"] != image:
            found.append(f"it runs {document['Image']}, and its name leads elsewhere, after {ended.phase}")
        if document["HostConfig"].get("RestartPolicy") != self.before["HostConfig"].get("RestartPolicy"):
            found.append(f"it restarts by {document['HostConfig'].get('RestartPolicy')}")
        if moved and ("exits" in case.image or (2, "unhealthy") in case.image.get("health", ())):
            found.append("a crashing candidate was kept")
        found += [f"{name} is {names[name]}" for name in sorted(beside) if names[name] != "running"]
        found += [f"{name} is cut off" for name in bench.engine.cut_off()]
        rows = [row.action for row in bench.audit.newest(["local"], 50) if row.id.startswith(f"{ended.id}:")]
        told = ["rollback"] if case.back else ["container-update"]
        if len(rows) != len(set(rows)) or not set(told) <= set(rows) or (case.back and rows != told):
            found.append(f"the audit says {rows}")
        if list((bench.folder / "operations").glob("*")):
            found.append("something lies on the disk")
        return found


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """A new folder at every call of next."""

    def numbered() -> Iterator[Path]:
        number = 0
        while True:
            number += 1
            folder = tmp_path / str(number)
            folder.mkdir()
            yield folder

    return numbered()  # type: ignore[return-value]


def points(folders: Iterator[Path], case: Case) -> list[str]:
    """Every point of a life that is not cut short."""
    world = World(next(folders), case)
    fuse = world.live()
    assert world.wrong() == []
    return fuse.passed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_death_anywhere(folders: Iterator[Path], case: Case) -> None:
    names = points(folders, case)
    assert len(names) > 15
    for cut in range(len(names)):
        world = World(next(folders), case)
        assert world.live(cut).burnt
        world.live()
        assert world.wrong() == [], f"killed at {cut}, before {names[cut]}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_two_deaths_anywhere(folders: Iterator[Path], case: Case) -> None:
    # Those that move dependents along take several times as many steps, most of them in operations of their own.
    pace = 1 + 2 * len(case.dependents)
    for cut in range(1, len(points(folders, case)), STRIDE * pace):
        again = 0
        while True:
            world = World(next(folders), case)
            assert world.live(cut).burnt
            second = world.live(again)
            world.live()
            assert world.wrong() == [], f"killed at {cut}, then at {again}"
            if not second.burnt:
                break
            again += pace


def test_a_death_while_it_is_looked_where_a_tag_leads_does_not_move_the_tag(folders: Iterator[Path]) -> None:
    case = Case("back to what is lost", back=True, lost=True)
    whole = World(next(folders), case)
    names = whole.live().passed
    assert whole.wrong() == []
    assert whole.bench.ended(whole.operation).phase is Phase.FAILED
    assert "engine.pull" in names
    for cut in range(len(names)):
        world = World(next(folders), case)
        assert world.live(cut).burnt
        world.live()
        assert world.wrong() == [], f"killed at {cut}, before {names[cut]}"


def test_a_rollback_that_ends_before_it_touches_the_container_does_not_move_its_tag(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    here = bench.engine.image("app:1")["Id"]
    wanted = bench.engine.offer("app:1")
    operation = bench.ask(target="app:1", kind=ROLLBACK, backup_id="b", wanted_image_id=wanted)
    bench.engine.fail(on="info", error=EngineError("it does not say"))
    with suppress(Failed):
        bench.perform(operation)
    ended = bench.ended(operation)
    assert (ended.phase, ended.reached) == (Phase.FAILED, Phase.PREPARE)
    assert bench.engine.image("app:1")["Id"] == here
