"""Owns the matrices: one update tried again and again, each time with trouble at another point, several at a time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from queue import Queue
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.operation import REASONS, ROLLBACK, Operation, Phase
from tests.docker.killable_executor import Job, Life, settings
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import CHECKED, CRASHES, Site, Subject, wait_for
from tests.store_process import ROOT, StoreProcess, running_store

LANES = 3
LANE_SECONDS = 240
"""How long a run waits for a lane: another's lives and what is looked at after them end before."""
_NAMESPACES = {"NetworkMode": "net", "PidMode": "pid", "IpcMode": "ipc"}


@dataclass(frozen=True)
class Scenario:
    """A container and the tag it is to move to. `forward` says whether that works."""

    name: str
    tag: str
    forward: bool
    start: bool = True
    grace_ms: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    second_network: bool = False
    """Whether it is connected to one more network, under a name of its own there."""
    dependents: tuple[str, ...] = ()
    """In which of its namespaces another container runs: one for each."""
    back: bool = False
    """Whether that tag is what a backup remembers, by the digest it had."""

    @property
    def removes_itself(self) -> bool:
        return bool(self.body.get("HostConfig", {}).get("AutoRemove"))


@dataclass(frozen=True)
class Trouble:
    """What happens at which point of a life, if at any: see Job."""

    cut: int | None
    how: str = "kill"
    times: int = 1
    counted: str = "all"


class Lane:
    """A process that runs lives, one after the other."""

    def __init__(self, trace: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.docker.killable_executor", str(trace)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def live(self, job: Job) -> Life:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(asdict(job)) + "\n")
        self._process.stdin.flush()
        return Life(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Matrix:
    """A store, an engine and lanes; runs scenarios, each under an agent of its own, so that they do not meet."""

    def __init__(self, store: StoreProcess, site: Site, network: str, folder: Path, lanes: int) -> None:
        self.site = site
        self._network = network
        self._store = store
        self._folder = folder
        self._numbers = itertools.count(1000)
        self.all = [Lane(folder / f"trace-{number}") for number in range(lanes)]
        self._free: Queue[Lane] = Queue()
        for lane in self.all:
            self._free.put(lane)
        self.services = Services(settings(self._job("nobody", "")))

    def run(
        self, scenario: Scenario, *lives: Trouble | None, between: Callable[[], object] = lambda: None
    ) -> tuple[list[Life], list[str]]:
        """The lives of an executor, each with its trouble or left alone; and what is wrong in the end.

        `between` happens before each life but the first.
        """
        name = f"{scenario.name}-{next(self._numbers)}"
        with self._lane() as lane, ExitStack() as afterwards:
            afterwards.callback(self.site.remove, name, *(f"{name}-{kind}" for kind in scenario.dependents))
            subject = self.site.run(name, start=scenario.start, **scenario.body)
            if scenario.second_network:
                self._join(subject)
            for kind in scenario.dependents:
                self.site.run(f"{name}-{kind}", "plain", HostConfig={kind: f"container:{subject.id}"})
            operation = self.site.ask(self.services, name, subject, scenario.tag, **self._facts(scenario))
            job = replace(self._job(name, operation.id), grace_ms=scenario.grace_ms)
            lived: list[Life] = []
            for trouble in lives:
                if lived:
                    between()
                lived.append(lane.live(replace(job, **asdict(trouble)) if trouble else job))
            return lived, self._wrong(scenario, subject, operation)

    def _job(self, agent: str, command: str) -> Job:
        return Job(self._store.url, self.site.host.base_url, agent, str(self._folder / agent), command)

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        lane = self._free.get(timeout=LANE_SECONDS)
        try:
            yield lane
        finally:
            self._free.put(lane)

    def _join(self, subject: Subject) -> None:
        settings = {"Aliases": [f"{subject.name}-there"]}
        body = {"Container": subject.id, "EndpointConfig": settings}
        self.site.host.api("POST", f"/networks/{self._network}/connect", json=body)

    def _cut_off(self, kind: str, subject: Subject, provider: Mapping[str, Any]) -> str | None:
        """What is wrong with the container that lives in this kind of namespace of the provider."""
        document = self.site.inspect(f"{subject.name}-{kind}")
        if not document["State"]["Running"]:
            return f"who lives in its {kind} is {document['State']['Status']}"
        here, there = (self._namespace(one, kind) for one in (document, provider))
        return None if here == there else f"who lives in its {kind} lives elsewhere"

    def _namespace(self, document: Mapping[str, Any], kind: str) -> str:
        return str(Path(f"/proc/{document['State']['Pid']}/ns/{_NAMESPACES[kind]}").readlink())

    def _facts(self, scenario: Scenario) -> dict[str, Any]:
        if not scenario.back:
            return {}
        found = self.site.registry.manifest(self.site.repository, scenario.tag)
        digest = found.headers["Docker-Content-Digest"]
        return {"kind": ROLLBACK, "backup_id": "remembered", "wanted_digest": digest}

    def _wrong(self, scenario: Scenario, subject: Subject, operation: Operation) -> list[str]:
        found = []
        ended = self.services.operations.get(operation.identity, operation.id)
        if ended is None or not ended.ended:
            return [f"the operation is open: {ended}"]
        ours = {name: state for name, state in self.site.names().items() if name.startswith(subject.name)}
        if set(ours) != {subject.name, *(f"{subject.name}-{kind}" for kind in scenario.dependents)}:
            return [f"these stand there: {ours} after {ended}"]
        document = self.site.inspect(subject.name)
        if document["State"]["Running"] is not scenario.start:
            found.append(f"it is {document['State']['Status']}")
        if self.site.data(subject.name) != subject.data:
            found.append("its data is not there")
        if bool(document["HostConfig"]["AutoRemove"]) is not scenario.removes_itself:
            found.append("it is no longer removed when it stops")
        found += [one for kind in scenario.dependents if (one := self._cut_off(kind, subject, document))]
        networks = document["NetworkSettings"]["Networks"]
        there = networks.get(self._network) or {}
        if scenario.second_network and f"{subject.name}-there" not in there.get("Aliases", ()):
            found.append(f"it is in {networks}")
        policy = scenario.body.get("HostConfig", {}).get("RestartPolicy", {}).get("Name", "no")
        if (document["HostConfig"]["RestartPolicy"]["Name"] or "no") != policy:
            found.append(f"it restarts by {document['HostConfig']['RestartPolicy']}")
        moved = ended.phase is Phase.SUCCEEDED
        tag = scenario.tag if moved else "1"
        if document["Config"]["Image"] != self.site.reference(tag) or f"VERSION={tag}" not in document["Config"]["Env"]:
            found.append(f"it runs {document['Config']['Image']} after {ended.phase}")
        if (document["Id"] != subject.id) is not moved and not scenario.removes_itself:
            found.append("it has another id than it should")
        found += _wrong_words(scenario, ended)
        left = [path.name for path in (self._folder / subject.name / "operations").glob("*")]
        if left:
            found.append(f"on the disk lies {left}")
        rows = [row.action for row in self.services.audit.newest([subject.name], 10) if row.id.startswith(operation.id)]
        expected = {"container-update", "update-applied" if moved else "update-failed"}
        if ended.phase is Phase.ROLLED_BACK:
            expected.add("rollback")
        if scenario.back:
            expected = {"rollback"}
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
        told = ended.reason_code in REASONS and ended.rollback_reason == REASONS[ended.reason_code] and ended.last_error
        return [] if told else [f"rolled back with {ended.reason_code}: {ended.last_error}"]
    if ended.phase is Phase.FAILED:
        untouched = ended.reached is Phase.PREPARE and ended.new_container_id is None
        return [] if ended.last_error and untouched else [f"failed, though {ended}"]
    return [f"ended as {ended.phase}: {ended.last_error}"]


@contextmanager
def matrix_on(host: EngineHost, registry: ImageRegistry, folder: Path, lanes: int = LANES) -> Iterator[Matrix]:
    """A matrix for the length of the block: `1` runs, `plain` as well, `2` has a health check, `crash` exits."""
    site = Site(host, registry, "matrix")
    site.publish("1")
    site.publish("plain")
    site.publish("2", healthcheck=CHECKED)
    site.publish("crash", CRASHES)
    network = f"matrix-{uuid.uuid4().hex[:8]}"
    host.api("POST", "/networks/create", json={"Name": network})
    with running_store(folder / "store") as store:
        made = Matrix(store, site, network, folder, lanes)
        try:
            yield made
        finally:
            for lane in made.all:
                lane.close()
            _remove_network(host, network)


def _remove_network(host: EngineHost, network: str) -> None:
    """Away with it. Where many leave a network at once, an engine may count one too many for ever and keep it."""
    with suppress(AssertionError):
        wait_for(lambda: host.http.delete(f"/networks/{network}").is_success, 5)
        return
    assert host.api("GET", f"/networks/{network}")["Containers"] == {}
