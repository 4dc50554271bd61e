"""Log files and stats of real containers through the API, beside what the docker command says of them."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import ClientConnection, connect

from chalicelib.adapters.dynamo.models import ResultModel
from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.command import CommandKind
from tests.docker.rig import EngineHost
from tests.docker.slipway import Slipway, running_slipway, within

INTERVAL = 2


@pytest.fixture(scope="module")
def slipway(engine_host: EngineHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    data = tmp_path_factory.mktemp("slipway") / "data"
    with running_slipway(engine_host, data, DD_STATS_INTERVAL=str(INTERVAL)) as running:
        yield running


@pytest.fixture(scope="module")
def busy(slipway: Slipway) -> Iterator[dict[str, str]]:
    """Containers that are busy each in its own way, by name."""
    commands = {
        "burner": "while :; do :; done",
        "hog": "dd if=/dev/zero of=/held/memory bs=1M count=100; sleep 1000",
        "cacher": "dd if=/dev/zero of=/file bs=1M count=60; sleep 1000",
        "talker": "nc -l -p 9999 >/dev/null & while :; do head -c 100000 /dev/zero | nc -u -w 1 127.0.0.1 9; "
        "head -c 50000 /dev/zero | nc -w 1 $(hostname -i) 9999; ping -c 1 -s 1000 172.17.0.1; sleep 0.2; done",
        "idle": "sleep 1000",
    }
    tmpfs = {"HostConfig": {"Tmpfs": {"/held": ""}}}
    # A third of a processor: as much as a busy machine can spare, so that it is the same from one second to the next.
    third = {"HostConfig": {"CpuPeriod": 100_000, "CpuQuota": 33_000}}
    bodies = {"hog": tmpfs, "burner": third}
    ids = {name: slipway.run(name, command, **bodies.get(name, {})) for name, command in commands.items()}
    time.sleep(1)
    yield ids
    for container in ids.values():
        slipway.remove(container)


def test_a_log_is_a_text_file_with_the_lines_asked_for(slipway: Slipway) -> None:
    container = slipway.run("filed", "for i in 1 2 3; do echo out $i; done; sleep 0.1; echo err >&2; sleep 1000")
    path = f"/containers/{container}/logs"
    within(30, lambda: b"err" in slipway.get(path)[2])
    status, headers, body = slipway.get(path)
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="filed-logs.txt"'
    assert headers["vary"] == "Accept-Encoding"
    assert all(re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (out \d|err)$", line) for line in body.decode().splitlines())
    for query, wanted in {
        "timestamps=false": "out 1\nout 2\nout 3\nerr\n",
        "timestamps=false&tail=2": "out 3\nerr\n",
        "timestamps=false&stdout=false": "err\n",
        "timestamps=false&stderr=false&tail=all": "out 1\nout 2\nout 3\n",
        "stdout=false&stderr=false": "",
        "since=4000000000": "",
        "timestamps=false&since=2020-01-01T00:00:00Z&tail=1": "err\n",
    }.items():
        assert slipway.get(f"{path}?{query}")[2].decode() == wanted, query
    slipway.remove(container)


@pytest.mark.parametrize(("accepts", "packed"), [("gzip", True), ("gzip;q=0", False), ("br, gzip;q=0.5", True)])
def test_a_log_is_compressed_for_those_who_take_it_so(slipway: Slipway, accepts: str, packed: bool) -> None:
    container = slipway.run(f"packed-{packed}-{len(accepts)}", "echo hello; sleep 1000")
    path = f"/containers/{container}/logs?timestamps=false"
    within(30, lambda: slipway.get(path)[2] == b"hello\n")
    _, headers, body = slipway.get(path, **{"Accept-Encoding": accepts})
    assert headers.get("content-encoding") == ("gzip" if packed else None)
    assert headers["content-disposition"].endswith('-logs.txt.gz"' if packed else '-logs.txt"')
    assert (gzip.decompress(body) if packed else body) == b"hello\n"
    slipway.remove(container)


def test_a_large_log_of_a_stopped_container_comes_whole_and_leaves_nothing_behind(slipway: Slipway) -> None:
    line = "head -c 700 /dev/urandom | base64 -w 0; echo"
    container = slipway.run("large", f"i=0; while [ $i -lt 2000 ]; do {line}; i=$((i+1)); done")
    within(40, lambda: slipway.json(f"/containers/{container}")["status"] == "exited")
    status, _, body = slipway.get(f"/containers/{container}/logs?tail=10000&timestamps=false")
    assert status == 200
    assert [len(one) for one in body.splitlines()] == [936] * 2000
    tables = _services(slipway).tables
    assert tables.client.scan(TableName=tables.name(ResultModel))["Items"] == []
    slipway.remove(container)


def test_the_log_of_an_unknown_container_is_404_and_of_one_without_a_log_500(slipway: Slipway) -> None:
    assert slipway.get(f"/containers/{'0' * 64}/logs")[0] == 404
    container = slipway.run("mute", "sleep 1000", HostConfig={"LogConfig": {"Type": "none"}})
    status, _, body = slipway.get(f"/containers/{container}/logs")
    assert status == 500
    assert "does not support reading" in json.loads(body)["error"]
    slipway.remove(container)


def test_the_first_who_asks_gets_a_sample_with_the_right_processor_share(
    slipway: Slipway, busy: dict[str, str]
) -> None:
    found = slipway.json(f"/containers/{busy['burner']}/stats")
    assert found["data"] == found["history"][-1]
    assert found["data"]["cpuPercent"] > 10
    assert found["data"]["containerId"] == busy["burner"]


def test_samples_agree_with_the_docker_command(slipway: Slipway, engine_host: EngineHost, busy: dict[str, str]) -> None:
    within(30, lambda: all(row["stats"] for row in _stats(slipway, busy).values()))
    table = engine_host.cli("stats", "--no-stream", "--format", "{{json .}}")
    said = {row["Name"]: row for row in map(json.loads, table.splitlines())}
    rows = _stats(slipway, busy)
    for name in busy:
        ours, theirs = rows[name]["stats"], said[name]
        used, limit = (_bytes(text) for text in theirs["MemUsage"].split(" / "))
        assert ours["memoryUsageBytes"] == pytest.approx(used, rel=0.1, abs=3_000_000), name
        assert ours["memoryLimitBytes"] == pytest.approx(limit, rel=0.01), name
        received, sent = (_bytes(text) for text in theirs["NetIO"].split(" / "))
        assert ours["networkRxBytes"] == pytest.approx(received, rel=0.5, abs=20_000), name
        assert ours["networkTxBytes"] == pytest.approx(sent, rel=0.5, abs=20_000), name
    assert rows["idle"]["stats"]["cpuPercent"] < 2
    assert rows["burner"]["stats"]["cpuPercent"] > 10
    assert 100_000_000 < rows["hog"]["stats"]["memoryUsageBytes"] < 125_000_000
    raw = engine_host.api("GET", f"/containers/{busy['cacher']}/stats", params={"stream": "false"})
    assert raw["memory_stats"]["usage"] > 50_000_000
    assert rows["cacher"]["stats"]["memoryUsageBytes"] < 30_000_000, "page cache is not the container's"
    assert rows["talker"]["stats"]["networkTxBytes"] > rows["idle"]["stats"]["networkTxBytes"]


def test_a_burners_processor_share_is_what_the_docker_command_says(
    slipway: Slipway, engine_host: EngineHost, busy: dict[str, str]
) -> None:
    def agree() -> bool:
        ours = slipway.json(f"/containers/{busy['burner']}/stats")["data"]
        text = engine_host.cli("stats", "--no-stream", "--format", "{{.CPUPerc}}", "burner")
        theirs = float(text.strip().removesuffix("%"))
        return ours is not None and theirs > 10 and bool(ours["cpuPercent"] == pytest.approx(theirs, rel=0.25))

    # Two meters of different seconds may differ by what else the machine does; a wrong reckoning always does.
    within(60, agree)


def test_history_grows_while_somebody_asks_oldest_first(slipway: Slipway, busy: dict[str, str]) -> None:
    path = f"/containers/{busy['burner']}/stats"
    slipway.json(path)
    within(6 * INTERVAL, lambda: len(slipway.json(path)["history"]) >= 3)
    history = slipway.json(path)["history"]
    assert [one["timestamp"] for one in history] == sorted({one["timestamp"] for one in history})


def test_a_container_that_does_not_run_has_no_stats(slipway: Slipway) -> None:
    container = slipway.run("done", "true")
    within(30, lambda: slipway.json(f"/containers/{container}")["status"] == "exited")
    assert slipway.json(f"/containers/{container}/stats") == {"data": None, "history": []}
    assert slipway.get(f"/containers/{'0' * 64}/stats")[0] == 404
    slipway.remove(container)


def test_a_stream_of_stats_brings_every_sample_once(slipway: Slipway, busy: dict[str, str]) -> None:
    host, _, port = slipway.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=20)
    connection.request("GET", f"/api/v1/containers/{busy['idle']}/stats/stream")
    answer = connection.getresponse()
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-cache, no-transform"
    stamps: list[str] = []
    while len(stamps) < 3:
        line = answer.readline().decode().strip()
        if line.startswith("data: "):
            stamps.append(json.loads(line.removeprefix("data: "))["timestamp"])
    assert stamps == sorted(set(stamps))
    answer.close()
    connection.close()


def test_slipways_own_log_tells_of_server_and_executors(slipway: Slipway) -> None:
    def components() -> set[str]:
        return {entry["component"] for entry in slipway.json("/log/entries?tail=1000")}

    assert any(name.startswith("local.executor") for name in components())
    assert slipway.get("/log/entries?level=loud")[0] == 400
    assert all(entry["level"] == "error" for entry in slipway.json("/log/entries?level=error"))
    with connect(f"ws://{slipway.address}/api/v1/log/stream?tail=1", compression=None) as socket:
        assert set(json.loads(socket.recv(timeout=10))) == {"timestamp", "level", "component", "msg"}


def test_slipways_own_log_goes_on_when_an_executor_begins_a_new_life(slipway: Slipway) -> None:
    def told_of(socket: ClientConnection, component: str, word: str) -> dict[str, Any]:
        """The first entry of that component with that word, which comes within a minute."""
        until = time.monotonic() + 60
        while True:
            found = json.loads(socket.recv(timeout=max(0.1, until - time.monotonic())))
            if found["component"].startswith(component) and word in found["msg"]:
                return dict(found)

    services = _services(slipway)
    before = services.clock.now()

    def told() -> bool:
        orders = services.commands.of_kind("local", CommandKind.STREAM_ENTRIES)
        return any(one.ended and one.created_at >= before for one in orders)

    with connect(f"ws://{slipway.address}/api/v1/log/stream?tail=0", compression=None) as socket:
        within(30, told)
        os.kill(slipway.pid("executor"), signal.SIGKILL)
        entry = told_of(socket, "local.executor", "is at work")
        assert datetime.fromisoformat(entry["timestamp"]) >= before


def _services(slipway: Slipway) -> Services:
    """What the executor works with: the same store."""
    given = Path(f"/proc/{slipway.pid('executor')}/environ").read_text().split("\0")
    return Services(load(dict(entry.split("=", 1) for entry in given if "=" in entry)))


def test_a_cycle_is_told_to_whoever_follows_events_while_it_goes_on(slipway: Slipway) -> None:
    container = slipway.run("watched", "sleep 1000")
    stream = http.client.HTTPConnection(slipway.address, timeout=30)
    stream.request("GET", "/api/v1/events/ui")
    events = stream.getresponse()
    assert events.readline() == b"event: dd:connected\n"
    asking = http.client.HTTPConnection(slipway.address, timeout=60)
    asking.request("POST", "/api/v1/containers/watch", headers={"Prefer": "respond-async"})
    assert asking.getresponse().status == 202
    told: list[Any] = []
    while not any(one["running"] is False and one["lastChecked"] for one in told):
        if events.readline() == b"event: dd:watch-progress\n":
            told.append(json.loads(events.readline().removeprefix(b"data: ")))
    assert told[-1]["lastChecked"] >= 1
    assert {(one["agentName"], one["watcher"]) for one in told} == {("local", "local")}
    stream.close()
    asking.close()
    slipway.remove(container)


def _stats(slipway: Slipway, busy: dict[str, str]) -> dict[str, Any]:
    rows = slipway.json("/containers/stats")["data"]
    return {row["name"]: row for row in rows if row["id"] in busy.values()}


def _bytes(text: str) -> float:
    units = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}
    found = re.fullmatch(r"([\d.]+)([A-Za-z]+)", text.strip())
    assert found
    return float(found[1]) * units[found[2]]
