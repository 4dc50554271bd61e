"""Log streams: lines per second and delay beside a bare `docker logs -f`, with one viewer and with fifty."""

from __future__ import annotations

import argparse
import base64
import os
import re
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.docker.packages import client
from tests.docker.rig import docker_engine
from tests.docker.slipway import Slipway, running_slipway

PRINT = "sleep {wait}; i=0; while [ $i -lt {lines} ]; do echo line $i of those that are printed; i=$((i+1)); done; "
TICK = "while :; do echo tick; sleep 0.05; done"
_TS = re.compile(rb'"ts":"([^"]+)"')


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000, help="how many lines are printed at full speed")
    parser.add_argument("--viewers", type=int, default=50, help="how many viewers look at a slow container")
    options = parser.parse_args()
    table = Table(title="Following a container's log", title_justify="left")
    for heading in ("what", "lines", "seconds", "lines/s", "delay p50 ms", "delay p99 ms"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    with (
        docker_engine() as engine,
        tempfile.TemporaryDirectory() as folder,
        running_slipway(engine, Path(folder) / "data") as slipway,
    ):
        for what, count in (("docker logs -f", _bare), ("Slipway, one viewer", _followed)):
            seconds = count(slipway, options.lines)
            table.add_row(what, f"{options.lines}", f"{seconds:.2f}", f"{options.lines / seconds:.0f}", "", "")
        for viewers in (1, options.viewers):
            delays = _delays(slipway, viewers)
            cuts = statistics.quantiles(delays, n=100)
            name = f"Slipway, {viewers} viewer{'s' if viewers > 1 else ''} of 20 lines/s"
            table.add_row(name, f"{len(delays)}", "", "", f"{cuts[49]:.1f}", f"{cuts[98]:.1f}")
    Console().print(table)


def _printer(slipway: Slipway, lines: int) -> str:
    return slipway.run(f"bench-{time.time_ns()}", PRINT.format(wait=4, lines=lines) + "sleep 1000")


def _bare(slipway: Slipway, lines: int) -> float:
    """Seconds from the first line to the last, read from the docker command."""
    container = _printer(slipway, lines)
    command = [client(), "--host", slipway.engine.base_url, "logs", "-f", "-t", container]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        begun = time.perf_counter()
        for _ in range(lines - 1):
            process.stdout.readline()
        seconds = time.perf_counter() - begun
        process.kill()
    slipway.remove(container)
    return seconds


def _followed(slipway: Slipway, lines: int) -> float:
    """The same over the WebSocket, read by a client that counts frames as cheaply as can be."""
    container = _printer(slipway, lines)
    with _upgraded(slipway, container) as raw:
        frames = _Frames()
        while frames.count == 0:
            frames.feed(raw.recv(1 << 20))
        begun = time.perf_counter()
        while frames.count < lines:
            frames.feed(raw.recv(1 << 20))
        seconds = time.perf_counter() - begun
    slipway.remove(container)
    return seconds


def _delays(slipway: Slipway, viewers: int, seconds: float = 6.0) -> list[float]:
    """Milliseconds from the engine's time of a line to its arrival, of every line at every viewer."""
    container = slipway.run(f"bench-{time.time_ns()}", TICK)
    delays: list[float] = []

    def view() -> None:
        with _upgraded(slipway, container) as raw:
            until = time.time() + seconds
            warm = time.time() + 2
            while time.time() < until:
                data = raw.recv(1 << 16)
                now = time.time()
                if now > warm:
                    delays.extend((now - _seconds(ts)) * 1000 for ts in _TS.findall(data))

    threads = [threading.Thread(target=view) for _ in range(viewers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    slipway.remove(container)
    return delays


def _seconds(ts: bytes) -> float:
    return datetime.fromisoformat(ts.decode().rstrip("Z")).replace(tzinfo=UTC).timestamp()


def _upgraded(slipway: Slipway, container: str) -> socket.socket:
    host, _, port = slipway.address.rpartition(":")
    raw = socket.create_connection((host, int(port)), timeout=60)
    key = base64.b64encode(os.urandom(16)).decode()
    raw.sendall(
        f"GET /api/v1/containers/{container}/logs/stream?tail=0 HTTP/1.1\r\nHost: {slipway.address}\r\n"
        f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += raw.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return raw


class _Frames:
    """Counts the WebSocket frames in a stream of bytes."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        data = self._rest + data
        at, size = 0, len(data)
        while at + 10 <= size:
            length, head = data[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(data[at + 2 : at + 4], "big"), 4
            elif length == 127:
                length, head = int.from_bytes(data[at + 2 : at + 10], "big"), 10
            if at + head + length > size:
                break
            self.count += data[at] & 15 == 1
            at += head + length
        self._rest = data[at:]


if __name__ == "__main__":
    main()
