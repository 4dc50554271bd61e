"""Starts the embedded store as its own process on a free port; for any test that needs a real endpoint."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

ROOT = Path(__file__).parents[1]
START_SECONDS = 20
STOP_SECONDS = 5
KEY = "test", "test"
"""Id and secret of every store of the tests, and of whoever uses one."""
# No retries: a test wants to see the first answer.
CLIENT = Config(retries={"max_attempts": 0, "mode": "standard"}, max_pool_connections=50, read_timeout=30)


# Tests whose clock stands still write items that have long expired by the store's own clock.
UNSWEPT = "--sweep-seconds", "86400"


class StoreProcess:
    """A running store, which sweeps only when `options` say so. `url` and `pid` change on `restart`, the data stays."""

    def __init__(self, data: Path, *options: str, port: int = 0):
        self.data = data
        self._options = UNSWEPT + options
        self._port = port
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (data / "store.key").exists():
            (data / "store.key").write_text(":".join(KEY))
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "local_runtime.store", "--data", str(self.data), "--port", str(self._port)]
        self.process = subprocess.Popen([*command, *self._options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        line = _first_line(self.process, START_SECONDS)
        if not line.startswith("ready "):
            self.kill()
            raise RuntimeError(f"the store did not start: {line!r}")
        self.url = line.split()[1]

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        return self._end(signal.SIGTERM)

    def restart(self, *, same_port: bool = False) -> None:
        """Kill it, if it still runs, and start it again on the same data."""
        self._port = int(self.url.rpartition(":")[2]) if same_port else 0
        self.kill()
        self._start()

    def _end(self, number: signal.Signals) -> int:
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
            try:
                self.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(STOP_SECONDS)
                raise
        if self.process.stdout:
            self.process.stdout.close()
        return self.process.returncode

    def client(self, service: str) -> Any:
        """A botocore client of `dynamodb` or `sqs` against this store, without retries."""
        return client_of(service, self.url)

    def health(self) -> dict[str, Any]:
        with urllib.request.urlopen(self.url, timeout=5) as answer:
            return dict(json.load(answer))


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for something another thread or process brings about; fails when it takes longer than `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def _first_line(process: subprocess.Popen[str], seconds: float) -> str:
    assert process.stdout
    lines: queue.Queue[str] = queue.Queue()
    threading.Thread(target=lambda: lines.put(process.stdout.readline()), daemon=True).start()  # type: ignore[union-attr]
    try:
        return lines.get(timeout=seconds)
    except queue.Empty:
        return ""


def client_of(service: str, url: str) -> Any:
    return botocore.session.Session().create_client(
        service,
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id=KEY[0],
        aws_secret_access_key=KEY[1],
        config=CLIENT,
    )


@contextmanager
def running_store(data: Path, *options: str) -> Iterator[StoreProcess]:
    """A store over `data` that ends with the block. `options` are further arguments of the command."""
    store = StoreProcess(data, *options)
    try:
        yield store
    finally:
        store.kill()
