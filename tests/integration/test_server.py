"""The self-hosted server as a process: it says when it is ready, streams, keeps apart what waits, and stops in time."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders.requests import ADA
from tests.store_process import running_store

ROOT = Path(__file__).parents[2]
OVER_FAKES = """
import sys
from local_runtime.server.serving import serve
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices, settings_with
serve(FakeServices(settings_with(anonymous="open" in sys.argv)), "127.0.0.1", 0, PATHS)
import os; os._exit(0)
"""


class Server:
    """A server process, and a client that talks to it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.lines: list[str] = []
        while not (self.lines and self.lines[-1].startswith("ready ")):
            line = process.stdout.readline()
            assert line, "the server ended before it was ready"
            self.lines.append(line.strip())
        self.host, _, port = self.lines[-1].removeprefix("ready http://").rpartition(":")
        self.port = int(port)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.host, self.port, timeout=20)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect()
        sent = {"Authorization": ADA, **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        found = response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
        connection.close()
        return found

    def stop(self, how: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The exit status, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(how)
        return self.process.wait(20), time.monotonic() - started


@contextmanager
def started(*command: str, **environment: str) -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, *command],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server over the test table."""
    with started("-c", OVER_FAKES) as running:
        yield running


def test_it_answers_like_the_table_says(server: Server) -> None:
    status, headers, body = server.ask("GET", "/api/v1/things/caf%C3%A9%2F1?a=1&a=2")
    found = json.loads(body)
    assert status == 200
    assert (found["params"], found["query"]) == ({"id": "café/1"}, {"a": ["1", "2"]})
    assert (found["client"], found["host"]) == ("127.0.0.1", f"127.0.0.1:{server.port}")
    assert headers["content-length"] == str(len(body))
    assert "server" not in headers


def test_one_connection_serves_many_requests(server: Server) -> None:
    connection = server.connect()
    for path, status in (("/api/v1/things/1", 200), ("/api/v1/nowhere", 404), ("/api/v1/large", 200)):
        for method in ("GET", "HEAD"):
            connection.request(method, path, headers={"Authorization": ADA})
            response = connection.getresponse()
            assert response.status == status
            assert (response.read() == b"") == (method == "HEAD")
    connection.close()


def test_a_body_that_is_too_large_is_refused_without_being_read_to_its_end(server: Server) -> None:
    with socket.create_connection((server.host, server.port), timeout=20) as raw:
        head = "PUT /api/v1/things/7 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        raw.sendall(f"{head}Content-Length: 900000000\r\n\r\n".encode() + b"[" * 300_000)
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in answer.lower()


def test_a_chunked_body_is_read(server: Server) -> None:
    connection = server.connect()
    headers = {"Authorization": ADA, "Content-Type": "application/json"}
    connection.request("PUT", "/api/v1/things/7", iter([b'{"a"', b":1}"]), headers, encode_chunked=True)
    assert json.loads(connection.getresponse().read())["payload"] == {"a": 1}
    connection.close()


def test_a_stream_is_sent_as_it_comes_and_ends_when_the_client_leaves(server: Server, tmp_path: Path) -> None:
    left = tmp_path / "left"
    connection = server.connect()
    connection.request("GET", f"/api/v1/endless?left={left}", headers={"Authorization": ADA})
    response = connection.getresponse()
    assert response.headers["content-type"] == "text/event-stream"
    assert [response.readline() for _ in range(4)] == [b": still here\n", b"\n"] * 2
    response.close()
    connection.close()
    assert _within(5, left.exists)


def test_a_stream_that_ends_by_itself_is_whole(server: Server) -> None:
    status, headers, body = server.ask("GET", "/api/v1/stream")
    assert (status, headers["x-count"]) == (200, "5")
    assert body == b"".join(f"data: {number}\n\n".encode() for number in range(5))


def test_answers_that_wait_do_not_hold_up_the_others(server: Server) -> None:
    waiting = [threading.Thread(target=server.ask, args=("GET", "/api/v1/slow?seconds=4")) for _ in range(60)]
    for thread in waiting:
        thread.start()
    time.sleep(0.3)
    begun = time.monotonic()
    assert server.ask("GET", "/api/v1/things/1")[0] == 200
    assert time.monotonic() - begun < 3.5
    for thread in waiting:
        thread.join(30)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_in_three_seconds_whatever_is_under_way(how: signal.Signals, tmp_path: Path) -> None:
    with started("-c", OVER_FAKES) as running:
        slow, stream = running.connect(), running.connect()
        slow.request("GET", "/api/v1/slow?seconds=60", headers={"Authorization": ADA})
        stream.request("GET", f"/api/v1/endless?left={tmp_path / 'left'}", headers={"Authorization": ADA})
        assert stream.getresponse().readline()
        status, seconds = running.stop(how)
        assert seconds < 3
        assert status == 0
        slow.close()
        stream.close()


def test_an_answer_under_way_is_finished_before_it_stops() -> None:
    with started("-c", OVER_FAKES) as running:
        connection = running.connect()
        connection.request("GET", "/api/v1/slow?seconds=0.7", headers={"Authorization": ADA})
        time.sleep(0.3)
        running.process.terminate()
        assert connection.getresponse().status == 200
        connection.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:3000", 200),
        ("[::1]:3000", 200),
        ("evil.test", 403),
        ("127.0.0.1.evil.test", 403),
    ],
)
def test_an_open_server_on_loopback_answers_to_loopback_names_only(host: str, status: int) -> None:
    with started("-c", OVER_FAKES, "open") as running:
        assert running.ask("GET", "/api/v1/things/1", Host=host, Authorization="")[0] == status


def test_a_server_with_accounts_answers_under_any_name(server: Server) -> None:
    assert server.ask("GET", "/api/v1/things/1", Host="slipway.test")[0] == 200


def test_a_fresh_installation_tells_the_administrators_password_once(tmp_path: Path) -> None:
    with running_store(tmp_path / "data") as store:
        environment = {
            "AWS_ENDPOINT_URL_DYNAMODB": store.url,
            "AWS_ENDPOINT_URL_SQS": store.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "DD_SERVER_PORT": "0",
        }
        with started("-m", "local_runtime.server", **environment) as first:
            told, ready = first.lines
            word, password = told.split()
            assert (word, ready) == ("admin-password", f"ready http://127.0.0.1:{first.port}")
            shown = _basic("admin", password)
            assert json.loads(first.ask("GET", "/auth/user", Authorization=shown)[2]) == {"username": "admin"}
            assert first.ask("GET", "/api/v1/app", Authorization="")[0] == 401
            cookie = first.ask("POST", "/auth/login", Authorization=shown)[1]["set-cookie"].split(";")[0]
            assert first.stop()[0] == 0
        with started("-m", "local_runtime.server", **environment) as second:
            assert [line.split()[0] for line in second.lines] == ["ready"]
            assert second.ask("GET", "/auth/user", Authorization=shown)[0] == 200
            assert second.ask("GET", "/auth/user", Authorization="", Cookie=cookie)[0] == 200


def _basic(name: str, password: str) -> str:
    import base64

    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def _within(seconds: float, condition: object) -> bool:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False
