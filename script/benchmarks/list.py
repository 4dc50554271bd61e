"""How fast containers are listed at 10, 200 and 1,000 of them, beside /health of the same server, and what it costs."""

from __future__ import annotations

import argparse
import http.client
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from chalicelib.bootstrap import Services  # noqa: E402
from chalicelib.config import load  # noqa: E402
from handlers.dispatch import dispatch  # noqa: E402
from handlers.http import Request  # noqa: E402
from script.benchmarks._processes import resident  # noqa: E402
from tests.builders.containers import fleet_of  # noqa: E402
from tests.store_process import running_store  # noqa: E402

SIZES = (10, 200, 1000)
CONNECTIONS = 4
LIST = "/api/v1/containers"
BASELINE = "/health"


@dataclass(frozen=True)
class Asked:
    """One kind of request; `known` says that the client has the answer already and asks whether it still holds."""

    what: str
    path: str
    known: bool = False


def kinds(one: str) -> list[Asked]:
    """What is measured; `one` is the id of a container."""
    return [
        Asked("first page of 25", f"{LIST}?limit=25"),
        Asked("whole list", LIST),
        Asked("whole list, unchanged: 304", LIST, known=True),
        Asked("one container", f"{LIST}/{one}"),
        Asked("summary", f"{LIST}/summary"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="script/bench list", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each row is measured (default 3)")
    seconds = parser.parse_args().seconds
    table = Table(title=f"GET over loopback, {CONNECTIONS} connections, server and store as script/server starts them")
    for heading in ("containers", "what", "p50 ms", "p99 ms", "requests/s", "body kB", "p50 : /health", "store calls"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    memory: list[str] = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder, running_store(Path(folder) / "data") as store:
            environment = {
                "AWS_ENDPOINT_URL_DYNAMODB": store.url,
                "AWS_ENDPOINT_URL_SQS": store.url,
                "DD_ANONYMOUS_AUTH_CONFIRM": "true",
                "DD_SERVER_PORT": "0",
                "DD_SERVER_RATELIMIT_MAX": "1000000",
                "SLIPWAY_DATA": folder,
            }
            services = Services(load(environment))
            fleet = fleet_of(size)
            services.containers.save(fleet)
            with _server(environment) as (server, port):
                health = median(_measure(port, Asked("", BASELINE), seconds)[0])
                for asked in kinds(fleet[size // 2].id):
                    times, length, rate = _measure(port, asked, seconds)
                    calls = ", ".join(f"{count} {name}" for name, count in _store_calls(services, asked).items())
                    table.add_row(
                        str(size),
                        asked.what,
                        f"{median(times):.2f}",
                        f"{quantiles(times, n=100)[98]:.2f}",
                        f"{rate:.0f}",
                        f"{length / 1000:.1f}",
                        f"{median(times) / health:.1f}",
                        calls,
                    )
                memory.append(
                    f"{size} containers: server {resident(server):.0f} MiB, store {resident(store.pid):.0f} MiB"
                )
    console = Console(width=130)
    console.print(table)
    console.print("resident after that:", *memory, sep="\n  ")


@contextmanager
def _server(environment: dict[str, str]) -> Iterator[tuple[int, int]]:
    """Its process id and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "local_runtime.server"],
        env=os.environ | environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("ready "))
        yield process.pid, int(line.rsplit(":", 1)[1])
    finally:
        process.terminate()
        process.wait(10)


def _measure(port: int, asked: Asked, seconds: float) -> tuple[list[float], int, float]:
    """Times in ms of every request, the length of a body, and requests a second."""
    times: list[float] = []
    lengths: list[int] = []
    until = time.perf_counter() + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers: dict[str, str] = {}
        while time.perf_counter() < until:
            begun = time.perf_counter()
            connection.request("GET", asked.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            taken = (time.perf_counter() - begun) * 1000
            assert answer.status == 200 or (headers and answer.status == 304), (answer.status, body[:200])
            if asked.known and answer.status == 200:
                # The first time, and once more whenever the ages of updates have grown by a minute.
                headers = {"If-None-Match": answer.headers["ETag"]}
                continue
            times.append(taken)
            lengths.append(len(body))

    begun = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, lengths[0], len(times) / (time.perf_counter() - begun)


def _store_calls(services: Services, asked: Asked) -> Counter[str]:
    """The store operations of one request, on an instance that has answered before."""
    calls: Counter[str] = Counter()
    where, _, query = asked.path.partition("?")
    request = Request("GET", where, query={"limit": ["25"]} if query else {})
    dispatch(request, services)
    session = services.tables.client._endpoint.http_session
    send = session.send

    def counted(prepared: Any) -> Any:
        target = prepared.headers["X-Amz-Target"]
        calls[(target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]] += 1
        return send(prepared)

    session.send = counted
    dispatch(request, services)
    session.send = send
    return calls


if __name__ == "__main__":
    main()
