"""Owns an executor that runs in a container on the engine it watches, as people deploy it; its store is outside."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import Settings
from chalicelib.domain.command import Command
from chalicelib.domain.container import Identity
from chalicelib.domain.operation import Operation
from tests.docker.executor_image import DATA, HEALTH, PYTHON, executor_image
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import Site, Subject, wait_for
from tests.store_process import running_store

AGENT, NAME = "contained", "slipway"
REPOSITORY = "slipway/executor"
HEALTHY = {"Test": ["CMD", *HEALTH], "Interval": 1_000_000_000, "Timeout": 5_000_000_000, "Retries": 9}
_HOOK_SECONDS = 60
_LAST_LINES = {"stdout": "1", "stderr": "1", "tail": "30"}

_PROXY = """
import socket, sys, threading
def pass_on(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
door = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    caller, _ = door.accept()
    engine = socket.socket(socket.AF_UNIX)
    engine.connect("/var/run/docker.sock")
    for pair in ((caller, engine), (engine, caller)):
        threading.Thread(target=pass_on, args=pair, daemon=True).start()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Contained:
    """The container `slipway`, what it is asked, and what is left on its host afterwards."""

    def __init__(self, host: EngineHost, registry: ImageRegistry, store_url: str) -> None:
        self.host = host
        self.site = Site(host, registry, REPOSITORY)
        self.store_url = store_url
        self.services = Services(
            Settings(
                agent=AGENT, dynamodb_url=store_url, sqs_url=store_url, access_key=("test", "test"), create_tables=True
            )
        )
        self.identity = Identity(AGENT, "local", NAME)

    def publish(self, tag: str, **image: Any) -> None:
        """One more version."""
        self.site.registry.push(REPOSITORY, tag, executor_image(tag, **image))

    def run(self, tag: str, *, mounted: bool = True, **settings: str) -> None:
        """An executor as somebody who is no root, with the engine's socket unless told, on the host's network."""
        self.host.http.post(
            "/images/create", params={"fromImage": self.site.reference(tag)}, timeout=60
        ).raise_for_status()
        environment = {
            "SLIPWAY_AGENT": AGENT,
            "AWS_ENDPOINT_URL_DYNAMODB": self.store_url,
            "AWS_ENDPOINT_URL_SQS": self.store_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "SLIPWAY_CREATE_TABLES": "true",
            "DD_UPDATE_POST_START_LIVENESS_GRACE_MS": "300",
            "DD_UPDATE_HEALTH_GATE_SECONDS": "40",
            "DD_WATCHER_LOCAL_WATCHATSTART": "true",
            "DD_WATCHER_LOCAL_SOCKET": "/var/run/docker.sock",
        }
        body = {
            "Image": self.site.reference(tag),
            "Env": [f"{name}={value}" for name, value in (environment | settings).items()],
            "Labels": {"kept": "yes"},
            "HostConfig": {
                "NetworkMode": "host",
                "Binds": [f"{self.host.socket}:/var/run/docker.sock"] if mounted else [],
                "GroupAdd": [str(self.host.socket.stat().st_gid)],
                "RestartPolicy": {"Name": "unless-stopped"},
            },
        }
        made = self.host.api("POST", "/containers/create", params={"name": NAME}, json=body)
        self.host.api("POST", f"/containers/{made['Id']}/start")
        self.wait_until_it_works()

    def wait_until_it_works(self, seconds: float = 40) -> None:
        """Until it has reported since it was last started."""
        try:
            wait_for(self._works, seconds)
        except AssertionError:
            raise AssertionError(f"no executor at work: {self.names()}\n{self.logs()}") from None

    @property
    def container(self) -> Mapping[str, Any]:
        return self.site.inspect(NAME)

    @property
    def version(self) -> str:
        """Of the image it runs."""
        return str(self.container["Config"]["Labels"]["org.opencontainers.image.version"])

    def owner(self) -> str:
        """The identity the executor keeps in its data directory."""
        answer = self.host.http.get(f"/containers/{NAME}/archive", params={"path": f"{DATA}/executor.id"})
        return answer.content.partition(b"\0")[0].decode() and answer.text[512:548]

    @contextmanager
    def proxied(self, tag: str) -> Iterator[str]:
        """An executor that reaches its engine only through a container, for the length of the block: its name."""
        name, port = "engine-proxy", free_port()
        for version in ("proxy-1", "proxy-2"):
            self.publish(version, entrypoint=(PYTHON, "-c", _PROXY))
        self.host.http.post("/images/create", params={"fromImage": self.site.reference("proxy-1")}, timeout=60)
        body = {
            "Image": self.site.reference("proxy-1"),
            "Cmd": [str(port)],
            "User": "0",
            "Labels": {"dd.update.mode": "infrastructure"},
            "HostConfig": {"NetworkMode": "host", "Binds": [f"{self.host.socket}:/var/run/docker.sock"]},
        }
        made = self.host.api("POST", "/containers/create", params={"name": name}, json=body)
        try:
            self.host.api("POST", f"/containers/{made['Id']}/start")
            self.site.remove(NAME)
            self.run(tag, mounted=False, DD_WATCHER_LOCAL_HOST="127.0.0.1", DD_WATCHER_LOCAL_PORT=str(port))
            yield name
        finally:
            self.site.remove(NAME, name)
            self.run(tag)

    @contextmanager
    def impatient(self, seconds: int) -> Iterator[None]:
        """The same version made anew, so that its deputies wait no longer than that for a report."""
        tag = self.version
        self.site.remove(NAME)
        self.run(tag, DD_UPDATE_HEALTH_GATE_SECONDS=str(seconds))
        try:
            yield
        finally:
            self.site.remove(NAME)
            self.run(tag)

    def ask(self, tag: str, **facts: Any) -> Operation:
        """Order a move to that tag."""
        return self.ask_about(NAME, tag, **facts)

    def ask_about(self, name: str, tag: str, **facts: Any) -> Operation:
        """Order a move of any container here."""
        subject = Subject(name, self.site.inspect(name)["Id"], "")
        operation = self.site.ask(self.services, AGENT, subject, tag, **facts)
        self.services.queue.wake(AGENT, operation.id)
        return operation

    def now(self, operation: Operation) -> Operation:
        found = self.services.operations.get(operation.identity, operation.id)
        assert found is not None
        return found

    def end_of(self, operation: Operation, seconds: float = 60) -> Operation:
        """The operation once it, its command and its deputy are no more."""

        def look() -> Operation | None:
            command = self.services.commands.get(AGENT, operation.id)
            found = self.now(operation)
            return found if found.ended and command is not None and command.ended else None

        try:
            ended: Operation = self.wait(operation.id, look, seconds)
        except AssertionError:
            raise AssertionError(f"{self.now(operation)}\n{self.names()}\n{self.logs()}") from None
        wait_for(lambda: not self.deputies())
        return ended

    def wait(self, command_id: str, look: Callable[[], Any], seconds: float = 30) -> Any:
        """Whatever `look` finds at last. As the API does while it waits, the executor is woken again and again: the
        last message may have gone to one that was stopped."""
        woken = time.monotonic()

        def waking() -> Any:
            nonlocal woken
            if time.monotonic() - woken > 0.5:
                self.services.queue.wake(AGENT, command_id)
                woken = time.monotonic()
            return look()

        return wait_for(waking, seconds)

    def command(self, operation: Operation) -> Command:
        found = self.services.commands.get(AGENT, operation.id)
        assert found is not None
        return found

    def names(self) -> dict[str, str]:
        return self.site.names()

    def deputies(self) -> list[str]:
        return [name for name in self.names() if name.startswith("slipway-deputy-")]

    def logs(self) -> str:
        """What every container here has said last."""
        said = []
        for name in self.names():
            with suppress(RuntimeError):
                lines = self.host.api("GET", f"/containers/{name}/logs", params=_LAST_LINES)
                said.append(f"== {name}\n{lines}")
        return "\n".join(said)

    def kill(self, name: str) -> bool:
        """SIGKILL from outside, as the kernel does when memory runs out; the engine does not know who it was."""
        with suppress(RuntimeError, ProcessLookupError):
            pid = self.site.inspect(name)["State"]["Pid"]
            if pid:
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    @contextmanager
    def when(
        self, operation: Operation, reached: Callable[[Operation], bool], act: Callable[[], Any]
    ) -> Iterator[None]:
        """Act once, as soon as the operation is seen to have come that far."""
        done = threading.Event()

        def look() -> None:
            until = time.monotonic() + _HOOK_SECONDS
            while time.monotonic() < until and not done.is_set():
                if reached(self.now(operation)) and act():
                    done.set()

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        yield
        thread.join(_HOOK_SECONDS)
        assert done.is_set(), "it never came that far"

    def _works(self) -> bool:
        agent = self.services.agents.get(AGENT)
        state = self.container["State"]
        return bool(
            agent and agent.seen_at and state["Running"] and agent.seen_at.isoformat()[:19] >= state["StartedAt"][:19]
        )


@contextmanager
def contained(host: EngineHost, registry: ImageRegistry, folder: Path) -> Iterator[Contained]:
    """A store outside, and versions of the executor: 1 to 3 work, and 3 has a health check; the others do not."""
    with running_store(folder / "store") as store:
        found = Contained(host, registry, store.url)
        found.publish("1")
        found.publish("2")
        found.publish("3", healthcheck=HEALTHY)
        found.publish("ends", entrypoint=(PYTHON, "-c", "raise SystemExit(3)"))
        found.publish("mute", entrypoint=(PYTHON, "-c", "import time; time.sleep(3600)", "executor"))
        try:
            yield found
        finally:
            for name in (*found.deputies(), NAME):
                host.http.delete(f"/containers/{name}", params={"force": "1", "v": "1"})
            found.site.remove(NAME)
