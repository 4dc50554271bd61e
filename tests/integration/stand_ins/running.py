"""Runs the supervisor over its stand-in programs as a process of its own, and looks at it from outside."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 20.0


class Supervised:
    """One supervisor process; `ways` are STAND_IN_* settings by program (`store="dies"`), `setting` is NAME=VALUE."""

    def __init__(self, data: Path, port: int | None = None, setting: str = "", **ways: str) -> None:
        self.data = data
        self.port = port or free_port()
        self.output = data.with_suffix(".output")
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DD_"))}
        environment |= {"PYTHONPATH": str(ROOT), "DD_LOCAL_WATCHER": "false"}
        environment |= dict([setting.split("=", 1)]) if setting else {}
        environment |= {f"STAND_IN_{name.upper()}": way for name, way in ways.items()}
        command = [sys.executable, "-P", "-m", "tests.integration.stand_ins.supervised"]
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, "--data", str(data), "--port", str(self.port)],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def __enter__(self) -> "Supervised":
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)

    def until_ready(self) -> "Supervised":
        """Wait for the panel."""
        wait_for(lambda: "Slipway is ready" in self.told(), lambda: self.told())
        return self

    def told(self) -> str:
        """All it has written so far."""
        return self.output.read_text()

    def pids(self, name: str) -> list[int]:
        """The processes a program has been, oldest first."""
        return [int(line.split()[0]) for line in self._starts(name)]

    def moments(self, name: str) -> list[float]:
        """When a program was started, in seconds of the monotonic clock."""
        return [float(line.split()[1]) for line in self._starts(name)]

    def store_urls(self, name: str) -> list[str]:
        """The store each of a program's lives was pointed to."""
        return [line.split()[2] for line in self._starts(name) if len(line.split()) > 2]

    def all_pids(self) -> list[int]:
        """The processes of all programs."""
        return [pid for name in ("store", "server", "executor") for pid in self.pids(name)]

    def end(self, number: signal.Signals = signal.SIGTERM) -> float:
        """Send a signal and wait for the end; how long that took, in seconds."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        return time.monotonic() - started

    def _starts(self, name: str) -> list[str]:
        file = self.data / f"{name}.starts"
        return file.read_text().splitlines() if file.exists() else []


def wait_for(condition: Callable[[], bool], explain: Callable[[], str] = str, seconds: float = PATIENCE) -> None:
    """Return as soon as the condition holds; fail with the explanation when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, explain()
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its burial does not."""
    try:
        return not re.search(r"\) [ZX] ", Path(f"/proc/{pid}/stat").read_text())
    except OSError:
        return False


def free_port() -> int:
    """A loopback port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])
