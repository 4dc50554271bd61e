"""An executor killed at any point of an update or a rollback leaves a host that its next life makes whole.

The points are every call to the engine and every write to the store, as a trace of the whole story names them. Killed
before one is the same as killed after the one before it: between the two lies nothing but memory.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.domain.operation import REASONS, Operation, Phase
from tests.docker.killable_executor import Job, Life, settings
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import CHECKED, CRASHES, Site, Subject
from tests.store_process import ROOT, StoreProcess, running_store

LANES = 3


@dataclass(frozen=True)
class Scenario:
    """A container and the tag it is to move to. `forward` says whether that works."""

    name: str
    tag: str
    forward: bool
    start: bool = True
    grace_ms: int = 0
    body: dict[str, Any] = field(default_factory=dict)


SCENARIOS = (
    Scenario("update", "2", True),
    Scenario("rollback", "crash", False, grace_ms=400),
    Scenario("update-stopped", "plain", True, start=False),
    Scenario("update-rm", "plain", True, body={"HostConfig": {"AutoRemove": True}}),
    Scenario("rollback-rm", "crash", False, grace_ms=400, body={"HostConfig": {"AutoRemove": True}}),
)


class Lane:
    """One agent of its own with a process that runs its lives, so that lanes do not meet."""

    def __init__(self, number: int, store: StoreProcess, site: Site, folder: Path) -> None:
        self.agent = f"lane-{number}"
        self.site = site
        self._store = store
        self._data = folder / self.agent
        self._data.mkdir()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.docker.killable_executor", str(folder / f"trace-{number}")],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def job(self, command: str, scenario: Scenario, cut: int | None = None) -> Job:
        engine = self.site.host.base_url
        return Job(self._store.url, engine, self.agent, str(self._data), command, cut, scenario.grace_ms)

    def live(self, job: Job) -> Life:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Life(**json.loads(self._process.stdout.readline()))

    def left_on_disk(self) -> list[str]:
        return [path.name for path in (self._data / "operations").glob("*")]

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Matrix:
    """A store, an engine and lanes; runs scenarios."""

    def __init__(self, store: StoreProcess, site: Site, folder: Path) -> None:
        self.site = site
        self.lanes: Queue[Lane] = Queue()
        self.all = [Lane(number, store, site, folder) for number in range(LANES)]
        for lane in self.all:
            self.lanes.put(lane)
        self.services = Services(settings(self.all[0].job("", SCENARIOS[0])))
        self._lock = threading.Lock()

    def run(self, scenario: Scenario, *cuts: int | None) -> tuple[list[Life], list[str]]:
        """The lives of an executor, killed at each cut in turn, then left alone; and what is wrong in the end."""
        lane = self.lanes.get()
        name = f"{scenario.name}-{lane.agent}"
        try:
            subject = self.site.run(name, start=scenario.start, **scenario.body)
            operation = self.site.ask(self.services, lane.agent, subject, scenario.tag)
            lives = [lane.live(lane.job(operation.id, scenario, cut)) for cut in (*cuts, None)]
            return lives, self._wrong(scenario, lane, subject, operation)
        finally:
            self.site.remove(name)
            self.lanes.put(lane)

    def _wrong(self, scenario: Scenario, lane: Lane, subject: Subject, operation: Operation) -> list[str]:
        found = []
        ended = self.services.operations.get(operation.identity, operation.id)
        if ended is None or not ended.ended:
            return [f"the operation is open: {ended}"]
        ours = {name: state for name, state in self.site.names().items() if name.startswith(subject.name)}
        if list(ours) != [subject.name]:
            return [f"these stand there: {ours} after {ended}"]
        document = self.site.inspect(subject.name)
        if document["State"]["Running"] is not scenario.start:
            found.append(f"it is {document['State']['Status']}")
        if self.site.data(subject.name) != subject.data:
            found.append("its data is not there")
        if bool(document["HostConfig"]["AutoRemove"]) is not bool(scenario.body):
            found.append("it is no longer removed when it stops")
        moved = ended.phase is Phase.SUCCEEDED
        tag = scenario.tag if moved else "1"
        if document["Config"]["Image"] != self.site.reference(tag) or f"VERSION={tag}" not in document["Config"]["Env"]:
            found.append(f"it runs {document['Config']['Image']} after {ended.phase}")
        if (document["Id"] != subject.id) is not moved and not scenario.body:
            found.append("it has another id than it should")
        found += _wrong_words(scenario, ended)
        if lane.left_on_disk():
            found.append(f"on the disk lies {lane.left_on_disk()}")
        rows = [row.action for row in self.services.audit.newest([lane.agent], 10) if row.id.startswith(operation.id)]
        expected = {"container-update", "update-applied" if moved else "update-failed"}
        if ended.phase is Phase.ROLLED_BACK:
            expected.add("rollback")
        if sorted(rows) != sorted(expected):
            found.append(f"the audit says {rows}")
        backups = [one for one in self.services.backups.of(operation.identity) if one.id == operation.id]
        if ended.phase is not Phase.FAILED and len(backups) != 1:
            found.append(f"there are {len(backups)} backups")
        stored = self.services.containers.get(operation.identity)
        if stored is None or stored.id != document["Id"] or (moved and subject.id not in stored.former_ids):
            found.append(f"stored is {stored and (stored.id, stored.former_ids)}")
        return found


def _wrong_words(scenario: Scenario, ended: Operation) -> list[str]:
    if ended.phase is Phase.SUCCEEDED:
        return [] if scenario.forward and not ended.last_error else [f"succeeded, though {ended}"]
    if ended.phase is Phase.ROLLED_BACK:
        allowed = {"interrupted"} if scenario.forward else {"interrupted", "start_new_failed"}
        told = ended.reason_code in allowed and ended.rollback_reason == REASONS[ended.reason_code] and ended.last_error
        return [] if told else [f"rolled back with {ended.reason_code}: {ended.last_error}"]
    return [f"ended as {ended.phase}: {ended.last_error}"]


@pytest.fixture(scope="module")
def matrix(
    engine_host: EngineHost, registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    folder = tmp_path_factory.mktemp("matrix")
    site = Site(engine_host, registry, "matrix")
    site.publish("1")
    site.publish("plain")
    site.publish("2", healthcheck=CHECKED)
    site.publish("crash", CRASHES)
    with running_store(folder / "store") as store:
        made = Matrix(store, site, folder)
        try:
            yield made
        finally:
            for lane in made.all:
                lane.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_no_point_of_death_strands_a_service(matrix: Matrix, scenario: Scenario) -> None:
    (whole,), wrong = matrix.run(scenario)
    assert wrong == []
    assert len(whole.points) > 20, whole.points
    with ThreadPoolExecutor(LANES) as lanes:
        runs = list(lanes.map(lambda cut: (cut, *matrix.run(scenario, cut)), range(1, len(whole.points) + 1)))
    killed = [cut for cut, lives, _ in runs if lives[0].killed]
    # No two lives look equally often while they wait for health: the last cuts may lie beyond a shorter one's end.
    assert len(killed) >= len(whole.points) - 8
    strange = {f"{cut}: killed before {whole.points[cut - 1]}": wrong for cut, _, wrong in runs if wrong}
    assert strange == {}, json.dumps(strange, indent=1)
    print(f"{scenario.name}: killed at {len(killed)} points of {len(whole.points)}")
