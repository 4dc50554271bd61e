"""Following logs over the WebSocket, on a real engine: whole, in order, bounded, and over when anybody goes."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.docker.rig import EngineHost, docker_engine
from tests.docker.slipway import Slipway, running_slipway, within

NUMBERED = (
    "sleep 2; i=0; while [ $i -lt 50000 ]; do echo $i; echo $i >&2; i=$((i+1)); done; sleep 1; echo end; sleep 1000"
)
TICK = "i=0; while :; do echo tick $i; i=$((i+1)); sleep 0.1; done"
FIREHOSE = "line=$(head -c 2000 /dev/zero | tr '\\0' f); while :; do echo $line; done"
NASTY = (
    "sleep 2; head -c 3000 /dev/urandom | tr -d '\\n\\r'; echo; "
    "head -c 1048576 /dev/zero | tr '\\0' x; echo; "
    "printf '\\033[31mred\\033[0m\\n'; printf 'emoji \\360\\237'; sleep 0.3; printf '\\220\\263 whole\\n'; "
    "printf 'crlf\\r\\n'; echo; printf 'no end'"
)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineHost]:
    """An engine of its own, for it is restarted."""
    with docker_engine() as host:
        yield host


@pytest.fixture(scope="module")
def slipway(engine: EngineHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    with running_slipway(engine, tmp_path_factory.mktemp("slipway") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def ticking(slipway: Slipway) -> str:
    return slipway.run("ticking", TICK)


def lines_of(socket: ClientConnection, count: int, seconds: float = 20) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(timeout=seconds)) for _ in range(count)]


def all_of(socket: ClientConnection, seconds: float = 20) -> tuple[list[dict[str, Any]], int]:
    """Every frame until the close, and its code."""
    found = []
    while True:
        try:
            found.append(json.loads(socket.recv(timeout=seconds)))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            return found, closed.rcvd.code


def code_of(socket: ClientConnection, seconds: float = 20) -> int:
    return all_of(socket, seconds)[1]


def followers(engine: EngineHost, container: str) -> int:
    """How many streams the engine has on a container's log: it opens the file once to write and once for each."""
    found = 0
    for link in Path(f"/proc/{engine.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found += link.readlink().name == f"{container}-json.log"
    return found - 1


def test_a_hundred_thousand_lines_at_full_speed_arrive_whole_in_order_once(slipway: Slipway) -> None:
    container = slipway.run("numbered", NUMBERED)
    with slipway.follow(container, "tail=0", max_queue=None) as socket:
        found: dict[str, list[str]] = {"stdout": [], "stderr": []}
        while found["stdout"][-1:] != ["end"]:
            frame = json.loads(socket.recv(timeout=20))
            assert frame["ts"].endswith("Z") and frame["displayTs"] == f"[{frame['ts'][11:23]}]"
            found[frame["type"]].append(frame["line"])
    slipway.remove(container)
    numbers = [str(number) for number in range(50_000)]
    assert found["stdout"] == [*numbers, "end"]
    assert found["stderr"] == numbers


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_whatever_bytes_a_container_writes_every_line_is_one_frame(
    slipway: Slipway, terminal: bool, driver: str
) -> None:
    body = {"Tty": terminal, "HostConfig": {"LogConfig": {"Type": driver}}}
    container = slipway.run(f"nasty-{terminal}-{driver}", NASTY, **body)
    with slipway.follow(container, "tail=0") as socket:
        frames, code = all_of(socket)
    slipway.remove(container)
    lines = [frame["line"] for frame in frames]
    assert code == 1000
    if terminal:
        # A terminal turns some control characters of the first line into others; its end is all we can tell.
        del lines[: lines.index("x" * 1_048_576)]
        lines.insert(0, "")
    assert lines[1:] == ["x" * 1_048_576, "\x1b[31mred\x1b[0m", "emoji 🐳 whole", "crlf", "", "no end"]
    assert {frame["type"] for frame in frames} == {"stdout"}


def test_streams_and_beginnings_can_be_chosen(slipway: Slipway) -> None:
    container = slipway.run("chosen", "for i in 1 2 3 4 5 6; do echo o$i; sleep 0.01; done; echo e >&2; sleep 1000")
    within(30, lambda: b"e\n" in slipway.get(f"/containers/{container}/logs")[2])

    def read(query: str) -> list[str]:
        with slipway.follow(container, f"follow=false&{query}") as socket:
            frames, code = all_of(socket)
        assert code == 1000
        return [frame["line"] for frame in frames]

    assert read("") == ["o1", "o2", "o3", "o4", "o5", "o6", "e"]
    assert read("tail=3") == ["o5", "o6", "e"]
    assert read("stdout=false") == ["e"]
    assert read("stderr=false&tail=2") == ["o6"]
    assert read("stdout=false&stderr=false") == []
    assert read("since=4000000000") == []
    assert read("since=2020-01-01T00:00:00Z&tail=1") == ["e"]
    slipway.remove(container)


def test_one_stream_of_the_engine_feeds_fifty_viewers_and_ends_with_the_last(
    slipway: Slipway, engine: EngineHost, ticking: str
) -> None:
    def view(_: int) -> list[str]:
        with slipway.follow(ticking, "tail=5") as socket:
            return [frame["line"] for frame in lines_of(socket, 30)]

    with slipway.follow(ticking, "tail=1") as first, ThreadPoolExecutor(49) as pool:
        lines_of(first, 1)
        viewers = pool.map(view, range(49))
        time.sleep(3)
        assert followers(engine, ticking) <= 2, "one to follow, and one that may be reading history just now"
        for lines in viewers:
            begin = int(lines[0].split()[1])
            assert lines == [f"tick {begin + offset}" for offset in range(30)], "history and stream without a seam"
        lines_of(first, 5)
        assert followers(engine, ticking) == 1
    within(30, lambda: followers(engine, ticking) == 0)


def test_who_does_not_read_is_let_go_and_holds_up_nobody(slipway: Slipway) -> None:
    container = slipway.run("firehose", FIREHOSE)
    held = {program: resident(slipway.pid(program)) for program in ("server", "executor")}
    stuck = slipway.follow(container, "tail=0", max_queue=1)
    begun = time.monotonic()
    received = 0
    with slipway.follow(container, "tail=0", max_queue=None) as quick:
        slow_code: list[int] = []
        time.sleep(0.2)
        while time.monotonic() - begun < 8:
            quick.recv(timeout=3)
            received += 1
        grown = {program: resident(slipway.pid(program)) - before for program, before in held.items()}
        watcher = threading.Thread(target=lambda: slow_code.append(_code_after_all(stuck)))
        watcher.start()
        watcher.join(20)
    slipway.remove(container)
    assert slow_code in ([1013], [1006]), "told so, or cut off when it did not even take that"
    assert received > 5000, "the other one was served all the time"
    assert all(more < 64 * 1024 for more in grown.values()), f"kB that nobody took: {grown}"
    assert "viewer cannot be served" not in slipway.log()


def resident(pid: int) -> int:
    """The memory a process holds, in kB."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmRSS:")[2].split()[0])


def _code_after_all(socket: ClientConnection) -> int:
    try:
        while True:
            socket.recv(timeout=15)
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006


def test_a_container_that_does_not_run_is_4001_and_an_unknown_one_4004(slipway: Slipway) -> None:
    stopped = slipway.run("stopped", "true")
    within(30, lambda: slipway.json(f"/containers/{stopped}")["status"] == "exited")
    with slipway.follow(stopped) as socket:
        assert code_of(socket) == 4001
    with slipway.follow("0" * 64) as socket:
        assert code_of(socket) == 4004
    slipway.remove(stopped)


def test_a_container_removed_while_it_is_followed_ends_the_stream_normally(slipway: Slipway) -> None:
    container = slipway.run("removed", TICK)
    with slipway.follow(container, "tail=1") as socket:
        lines_of(socket, 3)
        slipway.remove(container)
        assert code_of(socket, 10) == 1000


def test_a_client_that_vanishes_ends_the_engines_stream(slipway: Slipway, engine: EngineHost, ticking: str) -> None:
    socket = slipway.follow(ticking, "tail=1")
    lines_of(socket, 2)
    assert followers(engine, ticking) == 1
    socket.socket.close()
    within(30, lambda: followers(engine, ticking) == 0)


def test_a_viewer_of_a_dead_executor_is_told_within_seconds(slipway: Slipway, ticking: str) -> None:
    with slipway.follow(ticking, "tail=1") as socket:
        lines_of(socket, 2)
        begun = time.monotonic()
        os.kill(slipway.pid("executor"), signal.SIGKILL)
        assert code_of(socket, 40) == 1011
        assert time.monotonic() - begun < 40
    within(30, lambda: _can_follow(slipway, ticking))


def test_the_executor_lets_go_when_the_server_dies(slipway: Slipway, engine: EngineHost, ticking: str) -> None:
    socket = slipway.follow(ticking, "tail=1")
    lines_of(socket, 2)
    os.kill(slipway.pid("server"), signal.SIGKILL)
    within(30, lambda: followers(engine, ticking) == 0)
    socket.close()
    within(30, lambda: _can_follow(slipway, ticking))


def test_an_engine_that_restarts_ends_its_streams_and_serves_new_ones(
    slipway: Slipway, engine: EngineHost, ticking: str
) -> None:
    with slipway.follow(ticking, "tail=1") as socket:
        lines_of(socket, 2)
        engine.kill()
        assert code_of(socket, 15) in (1000, 1011)
    engine.start()
    engine.http.post(f"/containers/{ticking}/start")
    within(30, lambda: _can_follow(slipway, ticking), slipway.log)


def _can_follow(slipway: Slipway, container: str) -> bool:
    try:
        with slipway.follow(container, "tail=1") as socket:
            return bool(lines_of(socket, 2, 5))
    except (ConnectionClosed, OSError, TimeoutError):
        return False
