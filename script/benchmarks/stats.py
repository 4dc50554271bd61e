"""Stats: what the engine and Slipway spend with no viewer, one, and fifty, and what a `GET /stats` of many costs."""

from __future__ import annotations

import argparse
import http.client
import os
import re
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.docker.rig import docker_engine
from tests.docker.slipway import Slipway, running_slipway
from tests.store_process import running_store

CONTAINERS = 10
_TICKS = os.sysconf("SC_CLK_TCK")
_ENGINE_CALL = re.compile(rb"(?:GET|POST|DELETE|HEAD) (?:/v[\d.]+)?(/containers/[^ ?]+)[^ ]* HTTP/1")
_STORE_CALL = re.compile(rb"\r\nx-amz-target: [^.]+\.(\w+)\r\n", re.IGNORECASE)
_WHOLE_HEADS = 16 * 1024


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each row is measured (default 20)")
    parser.add_argument("--viewers", type=int, default=50, help="how many viewers the last row has")
    parser.add_argument("--many", type=int, default=36, help="how many containers the second table has (default 36)")
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
    Console().print(_cost(options.many))


def _cost(many: int) -> Table:
    """What readers of all stats at once wait for, and what is asked of engine, store and queue meanwhile."""
    table = Table(title=f"GET /stats of {many} containers: what server and executor ask for, heartbeats included")
    for heading in ("", "ms", "samples", "engine", "store reads", "store writes", "queue"):
        table.add_column(heading, justify="right")
    with (
        docker_engine() as engine,
        tempfile.TemporaryDirectory() as folder,
        running_store(Path(folder) / "store") as store,
        tapped(lambda: _dial(store.url), _STORE_CALL) as (store_port, store_calls),
        tapped(lambda: _dial(engine.base_url), _ENGINE_CALL) as (engine_port, engine_calls),
    ):
        url = f"http://127.0.0.1:{store_port}"
        settings = {"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_ENDPOINT_URL_SQS": url}
        watcher = {"DD_WATCHER_LOCAL_HOST": f"tcp://127.0.0.1:{engine_port}", "DD_WATCHER_LOCAL_SOCKET": ""}
        environment = {**settings, **watcher, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        with running_slipway(engine, Path(folder) / "data", **environment) as slipway:
            for number in range(many):
                slipway.run(f"bench-{number}", "sleep 10000")
            time.sleep(5)
            for name, seconds in (("first reader", 0.0), ("next reader", 0.0), ("one interval of sampling", 10.0)):
                store_calls.clear(), engine_calls.clear()
                begun = time.perf_counter()
                if seconds:
                    time.sleep(seconds)
                    row = ["", ""]
                else:
                    data = slipway.json("/containers/stats")["data"]
                    took = (time.perf_counter() - begun) * 1000
                    row = [f"{took:.0f}", str(sum(one["stats"] is not None for one in data))]
                table.add_row(name, *row, *_counted(engine_calls, store_calls))
    return table


def _counted(engine: Counter[str], store: Counter[str]) -> list[str]:
    reads = sum(store[one] for one in ("GetItem", "Query", "Scan", "BatchGetItem"))
    writes = sum(store[one] for one in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"))
    return [str(engine.total()), str(reads), str(writes), str(store["SendMessage"])]


def _dial(url: str) -> socket.socket:
    """A connection to the engine's or the store's own address."""
    if url.startswith("unix://"):
        found = socket.socket(socket.AF_UNIX)
        found.connect(url.removeprefix("unix://"))
        return found
    host, _, port = url.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)))


@contextmanager
def tapped(dial: Callable[[], socket.socket], what: re.Pattern[bytes]) -> Iterator[tuple[int, Counter[str]]]:
    """A port that passes everything on, and counts what the first group of the pattern finds in requests."""
    counts: Counter[str] = Counter()

    def passed(source: socket.socket, target: socket.socket, *, counted: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_WHOLE_HEADS):
                if counted:
                    counts.update(name.decode() for name in what.findall(data))
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accepted() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = dial()
                for ends, counted in (((client, server), True), ((server, client), False)):
                    threading.Thread(target=passed, args=ends, kwargs={"counted": counted}, daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accepted, daemon=True).start()
        yield listener.getsockname()[1], counts


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
