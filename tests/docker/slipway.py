"""Starts Slipway as its processes on a private engine, and speaks to it: for tests and benchmarks of live data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.docker.rig import EngineHost

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 40
IMAGE = "observed:1"


class Slipway:
    """Store, server and executor under their supervisor."""

    def __init__(self, engine: EngineHost, data: Path, **settings: str) -> None:
        self.engine = engine
        self.data = data
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith(("DD_", "SLIPWAY_", "AWS_"))
        }
        self._environment = inherited | {
            "DOCKER_HOST": engine.base_url,
            "DD_ANONYMOUS_AUTH_CONFIRM": "true",
            "DD_SERVER_RATELIMIT_MAX": "1000000",
            "DD_WATCHER_LOCAL_WATCHALL": "true",
            "DD_WATCHER_LOCAL_SOCKET": engine.base_url.removeprefix("unix://"),
            "PYTHONPATH": str(ROOT),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until its executor is at work."""
        log = (self.data.parent / f"{self.data.name}.log").open("ab")
        port = self.address.rpartition(":")[2]
        with log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local_runtime", *("--port", port), *("--data", str(self.data))],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        within(START_SECONDS, lambda: "is ready: http" in self.log(), self.log)

    def log(self) -> str:
        """What it has written."""
        path = self.data.parent / f"{self.data.name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that takes too long."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)

    def pid(self, program: str) -> int:
        """The process id of `server` or `executor`."""
        assert self._process is not None
        for entry in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = int(entry.read_text().rpartition(")")[2].split()[1])
                command = (entry.parent / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == self._process.pid and f"local_runtime.{program}".encode() in command:
                return int(entry.parent.name)
        raise LookupError(program)

    def run(self, name: str, command: str, **body: Any) -> str:
        """Start a container that runs a shell command, and wait until Slipway knows it: its id."""
        body = {"Image": IMAGE, "Cmd": ["sh", "-c", command], **body}
        made = str(self.engine.api("POST", "/containers/create", params={"name": name}, json=body)["Id"])
        self.engine.api("POST", f"/containers/{made}/start")
        within(15, lambda: self._knows(made), self.log)
        return made

    def remove(self, container: str) -> None:
        """Remove a container, running or not."""
        self.engine.http.delete(f"/containers/{container}", params={"force": "1"})

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a GET under `/api/v1`."""
        request = urllib.request.Request(f"http://{self.address}/api/v1{path}", headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()

    def json(self, path: str) -> Any:
        """The body of a GET that succeeds."""
        status, _, body = self.get(path)
        assert status == 200, body
        return json.loads(body)

    def follow(self, container: str, query: str = "", **options: Any) -> ClientConnection:
        """A WebSocket on a container's log."""
        url = f"ws://{self.address}/api/v1/containers/{container}/logs/stream?{query}"
        return connect(url, compression=None, max_size=None, ping_interval=None, **options)

    def _knows(self, container: str) -> bool:
        status, _, body = self.get(f"/containers/{container}")
        return status == 200 and json.loads(body)["status"] != "created"


@contextmanager
def running_slipway(engine: EngineHost, data: Path, **settings: str) -> Iterator[Slipway]:
    """Slipway on this engine for the length of the block."""
    engine.build_image(IMAGE, cmd=["sleep", "3600"], stopsignal="SIGKILL")
    slipway = Slipway(engine, data, **settings)
    try:
        slipway.start()
        yield slipway
    finally:
        slipway.stop()


def within(seconds: float, condition: Callable[[], Any], complaint: Callable[[], str] = lambda: "") -> None:
    """Wait for a condition. Fails with the end of the complaint."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen in {seconds} s\n{complaint()[-3000:]}"
        time.sleep(0.05)
