"""How long a start takes until /health answers; what an idle Slipway uses of processor and memory."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from local_runtime.programs import free_port
from script.benchmarks._processes import children, command, resident, worked
from tests.docker.rig import EngineHost, docker_engine

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = ("store", "server", "executor")
LOADED = ("local_runtime.store.__main__", "local_runtime.server.serving", "local_runtime.executor.life")
CONTAINERS = 8
SETTLING_SECONDS = 20.0
HEALTHCHECK = {"Test": ["CMD", "true"], "Interval": 30_000_000_000}


def main() -> None:
    """Measure and print. The baseline: to load the code of the three programs, one after another, and do nothing."""
    parser = argparse.ArgumentParser(prog="script/bench start", description=__doc__)
    parser.add_argument("--starts", type=int, default=5, help="how often it is started (default 5)")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it is left alone (default 60)")
    options = parser.parse_args()
    console = Console(width=120)
    with docker_engine() as host, tempfile.TemporaryDirectory() as folder:
        for number in range(CONTAINERS):
            run(host, f"idle-{number}", checked=number % 2 == 0)
        loading = sum(loads(module) for module in LOADED)
        # The first start makes tables and an account; the others find them.
        times = []
        for _ in range(options.starts + 1):
            with started(host, Path(folder) / "data") as (_, seconds):
                times.append(seconds)
        console.print(f"first start {times[0]:.2f} s, then {median(times[1:]):.2f} s (median of {options.starts})")
        console.print(f"loading the code alone {loading:.2f} s; a start is {median(times[1:]) / loading:.2f} of that")
        with started(host, Path(folder) / "data") as (supervisor, _):
            time.sleep(SETTLING_SECONDS)
            console.print(idle(supervisor, options.seconds))


def run(host: EngineHost, name: str, *, checked: bool) -> None:
    """A container that does nothing; a checked one is looked at by the engine every half minute."""
    host.build_image("idle:1", cmd=["sleep", "36000"], stopsignal="SIGKILL")
    body = {"Image": "idle:1"} | ({"Healthcheck": HEALTHCHECK} if checked else {})
    made = host.api("POST", "/containers/create", params={"name": name}, json=body)
    host.api("POST", f"/containers/{made['Id']}/start")


def loads(module: str) -> float:
    """Seconds until a Python of its own has loaded that module."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    return time.perf_counter() - begun


@contextmanager
def started(host: EngineHost, data: Path) -> Iterator[tuple[int, float]]:
    """`script/server`: the process id of its supervisor, and after how many seconds it answered."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DD_", "SLIPWAY_", "AWS_"))}
    environment = inherited | {"DOCKER_HOST": host.base_url, "DD_ANONYMOUS_AUTH_CONFIRM": "true"}
    port = free_port()
    arguments = ["--port", str(port), "--data", str(data)]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [ROOT / "script/server", *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while not healthy(port):
            if process.poll() is not None or time.perf_counter() - begun > 60:
                raise SystemExit("it did not start")
            time.sleep(0.005)
        yield process.pid, time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(15)


def healthy(port: int) -> bool:
    """Whether /health answers well now."""
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
        return bool(json.load(answer))
    return False


def idle(supervisor: int, seconds: float) -> Table:
    """What each process holds and works while nobody asks."""
    names = {supervisor: "supervisor"}
    for pid in children(supervisor):
        names[pid] = next(name for name in PROGRAMS if f"local_runtime.{name}" in command(pid))
    before = {pid: worked(pid) for pid in names}
    time.sleep(seconds)
    table = Table(title=f"{CONTAINERS} containers, nobody asks, {seconds:g} s", show_footer=True)
    used = {pid: (worked(pid) - before[pid]) * 60 / seconds for pid in names}
    memory = {pid: resident(pid) for pid in names}
    table.add_column("process", "together")
    table.add_column("processor ms a minute", f"{sum(used.values()) * 1000:.0f}", justify="right")
    table.add_column("resident MiB", f"{sum(memory.values()):.0f}", justify="right")
    for pid, name in names.items():
        table.add_row(name, f"{used[pid] * 1000:.0f}", f"{memory[pid]:.0f}")
    return table


if __name__ == "__main__":
    main()
