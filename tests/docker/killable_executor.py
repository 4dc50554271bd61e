"""An executor that dies, or is failed by engine or store, at any point of its work.

The points are its calls to the engine and its writes to the store, in the order in which they come.
`python -m tests.docker.killable_executor` reads one job per line (see Job), runs it in a process forked for it, so that
a life costs no start of an interpreter, and answers with one line: how that process ended, and the points it passed.
"""

from __future__ import annotations

import faulthandler
import json
import os
import pkgutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import Settings, WatcherSettings
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.operation import Operation
from chalicelib.ports.engine import EngineRejected, EngineUnavailable
from chalicelib.ports.stores import AuditStore, BackupStore, CommandStore, ContainerStore, OperationStore
from local_runtime.engine.docker_engine import DockerEngine
from local_runtime.executor.executor import Executor

COUNTED_THREADS = "update"
"""Points are counted in the thread that works on the operation: others run beside it at their own pace."""
READS = ("api_version", "info", "containers", "inspect", "image", "images", "wait_removed")
"""What changes nothing on an engine; every other call is an act, and so is every write to the store."""
WRITES = ("claim", "renew", "finish", "record", "open", "add", "keep", "save", "remove")


_PACKAGES = ("chalicelib.wire", *(f"chalicelib.adapters.{name}" for name in ("dynamo", "registry", "sqs")))
_CLIENTS: dict[tuple[str, str | None], Any] = {}
"""Made before the fork, as modules are imported, and not used before it: that takes longer than a whole update."""


@dataclass(frozen=True)
class Job:
    """One life of an executor: until this command has ended, or until the process kills itself.

    At point `cut` it is killed, or that call and the `times - 1` after it are refused (by the engine: an error; by the
    store: no answer), lost on the way there, or carried out and their answers lost: `how` says which.
    `counted` says which points there are: all, those of the engine, or acts.
    """

    store: str
    engine: str
    agent: str
    data: str
    command: str
    cut: int | None = None
    how: str = "kill"
    times: int = 1
    counted: str = "all"
    grace_ms: int = 0
    seconds: float = 90.0


@dataclass(frozen=True)
class Life:
    """How a life ended: killed, or the command's result; and every point it passed, in order."""

    killed: bool
    problem: str
    points: list[str]


def settings(job: Job) -> Settings:
    """Those of a real executor; nothing but commands makes it work."""
    watcher = WatcherSettings("local", base_url=job.engine, watch_at_start=False, watch_events=False)
    return Settings(
        agent=job.agent,
        data=Path(job.data),
        dynamodb_url=job.store,
        sqs_url=job.store,
        access_key=("test", "test"),
        create_tables=True,
        liveness_grace_ms=job.grace_ms,
        health_gate_seconds=20,
        watchers=(watcher,),
    )


class Points:
    """Counts the points passed and writes each down; at the chosen one what was chosen happens."""

    def __init__(self, job: Job, path: Path) -> None:
        self.finished = threading.Event()
        """A command was said to have ended."""
        self._job = job
        self._passed = 0
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    @contextmanager
    def passing(self, name: str) -> Iterator[None]:
        if not threading.current_thread().name.startswith(COUNTED_THREADS) or not self._counts(name):
            yield
            return
        self._passed += 1
        cut = self._job.cut
        chosen = cut is not None and cut <= self._passed < cut + self._job.times
        if chosen and self._job.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        os.write(self._file, f"{name}\n".encode())
        if chosen and self._job.how in ("refused", "lost"):
            raise self._trouble(name)
        yield
        if name == "commands.finish":
            self.finished.set()
        if chosen and self._job.how == "unanswered":
            raise self._trouble(name)

    def _counts(self, name: str) -> bool:
        place, _, call = name.partition(" ")[0].partition(".")
        if self._job.counted == "acts":
            return place != "engine" or call not in READS
        return self._job.counted == "all" or place == self._job.counted

    def _trouble(self, name: str) -> SlipwayError:
        if not name.startswith("engine."):
            return Unavailable(f"{name}: throttled, for a test")
        if self._job.how == "refused":
            return EngineRejected(500, f"{name}: refused, for a test")
        return EngineUnavailable(f"{name}: no answer, for a test")


class Watched:
    """Any object, with a point before each call of the chosen methods (all, when none are named)."""

    def __init__(self, inner: Any, name: str, points: Points, methods: tuple[str, ...] = ()) -> None:
        self._inner, self._name, self._points, self._methods = inner, name, points, methods

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found) or (self._methods and name not in self._methods):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            told = arguments[0].phase.value if arguments and isinstance(arguments[0], Operation) else ""
            with self._points.passing(f"{self._name}.{name} {told}".strip()):
                return found(*arguments, **options)

        return call


class ForkedServices(Services):
    """The real services, with clients that were made before the fork."""

    def _client(self, service: str, url: str | None) -> Any:
        if (service, url) not in _CLIENTS:
            _CLIENTS[service, url] = super()._client(service, url)
        return _CLIENTS[service, url]


class WatchedServices(ForkedServices):
    """Those, with a point before every write."""

    def __init__(self, settings: Settings, points: Points) -> None:
        super().__init__(settings)
        self._points = points

    def _watched(self, inner: Any, name: str) -> Any:
        return Watched(inner, name, self._points, WRITES)

    @cached_property
    def operations(self) -> OperationStore:
        return self._watched(super().operations, "operations")

    @cached_property
    def commands(self) -> CommandStore:
        return self._watched(super().commands, "commands")

    @cached_property
    def containers(self) -> ContainerStore:
        return self._watched(super().containers, "containers")

    @cached_property
    def audit(self) -> AuditStore:
        return self._watched(super().audit, "audit")

    @cached_property
    def backups(self) -> BackupStore:
        return self._watched(super().backups, "backups")


def live(job: Job, trace: Path) -> str:
    """Run an executor until the command has ended: the error it ended with, or nothing."""
    points = Points(job, trace)
    services = WatchedServices(settings(job), points)
    executor = Executor(
        services,
        f"owner-{job.agent}",
        connect=lambda watcher: Watched(DockerEngine(watcher.base_url), "engine", points),
    )
    executor.start()
    until = time.monotonic() + job.seconds
    while time.monotonic() < until:
        # To ask all the time would cost more than the update itself.
        points.finished.wait(0.3)
        points.finished.clear()
        command = services.commands.get(job.agent, job.command)
        if command is not None and command.ended and not services.operations.open_of(job.agent):
            # Copies that came of it have ended, too; what follows their end has not yet.
            executor.stop(10)
            return str(command.result.get("error", ""))
    return f"not ended within {job.seconds:g} s"


def _in_a_child(job: Job, trace: Path) -> Life:
    composed = ForkedServices(settings(job))
    for service in ("dynamodb", "sqs"):
        composed._client(service, job.store)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        # Whatever it waits for in vain, the matrix goes on, and what it waited for is said.
        faulthandler.dump_traceback_later(job.seconds + 30, exit=True)
        try:
            problem = live(job, trace)
        except BaseException as error:
            problem = repr(error)
        os.write(writing, problem.encode()[:4000])
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        problem = pipe.read()
    _, status = os.waitpid(child, 0)
    return Life(os.WIFSIGNALED(status), problem, trace.read_text().splitlines())


def _import_all() -> None:
    """What a life would import, so that no life does."""
    for package in _PACKAGES:
        for module in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    import_module("chalicelib.adapters.notify.sender")


def main() -> None:
    trace = Path(sys.argv[1])
    _import_all()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(asdict(_in_a_child(Job(**json.loads(line)), trace))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
