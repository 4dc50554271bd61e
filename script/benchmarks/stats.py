"""Stats: what the engine and Slipway spend with no viewer, one, and fifty, and how soon the first answer comes."""

from __future__ import annotations

import argparse
import http.client
import os
import tempfile
import threading
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.docker.rig import docker_engine
from tests.docker.slipway import Slipway, running_slipway

CONTAINERS = 10
_TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each row is measured (default 20)")
    parser.add_argument("--viewers", type=int, default=50, help="how many viewers the last row has")
    options = parser.parse_args()
    table = Table(title=f"Processor time while {CONTAINERS} containers are looked at, in percent of one processor")
    for heading in ("viewers", "dockerd", "executor", "server", "first answer ms"):
        table.add_column(heading, justify="right")
    with (
        docker_engine() as engine,
        tempfile.TemporaryDirectory() as folder,
        running_slipway(engine, Path(folder) / "data") as slipway,
    ):
        containers = [slipway.run(f"bench-{number}", "sleep 10000") for number in range(CONTAINERS)]
        for viewers in (0, 1, options.viewers):
            table.add_row(str(viewers), *_measure(slipway, containers, viewers, options.seconds))
    Console().print(table)


def _measure(slipway: Slipway, containers: list[str], viewers: int, seconds: float) -> list[str]:
    """Percent of a processor for each program, after the viewers have come."""
    first: list[float] = []
    leave = threading.Event()

    def view(number: int) -> None:
        begun = time.perf_counter()
        connection = http.client.HTTPConnection(slipway.address, timeout=60)
        connection.request("GET", f"/api/v1/containers/{containers[number % len(containers)]}/stats/stream")
        answer = connection.getresponse()
        while not answer.readline().startswith(b"data: "):
            pass
        first.append((time.perf_counter() - begun) * 1000)
        leave.wait()
        answer.close()
        connection.close()

    threads = [threading.Thread(target=view, args=(number,)) for number in range(viewers)]
    for thread in threads:
        thread.start()
    while len(first) < viewers:
        time.sleep(0.1)
    assert slipway.engine.pid is not None
    pids = (slipway.engine.pid, slipway.pid("executor"), slipway.pid("server"))
    before = [_spent(pid) for pid in pids]
    time.sleep(seconds)
    spent = [f"{(_spent(pid) - was) / seconds * 100:.1f}" for pid, was in zip(pids, before, strict=True)]
    leave.set()
    for thread in threads:
        thread.join()
    return [*spent, f"{max(first):.0f}" if first else ""]


def _spent(pid: int) -> float:
    """Seconds of processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    main()
