"""Upgrades to a WebSocket that are refused, and calls about connections by those who must not make them."""

from __future__ import annotations

import asyncio
import http.client
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
import uvicorn
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from chalicelib.config import Settings
from chalicelib.domain.agent import Agent
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.fleet import Fleet
from handlers.guards import COOKIE
from local_runtime.server.application import build_app
from local_runtime.server.log_socket import LogSocket
from tests.builders.requests import ADA, request
from tests.fakes.services import FakeServices, settings_with


class Nothing:
    """No containers and no agents."""

    def fleet(self) -> Fleet:
        return Fleet()

    def all(self) -> list[Agent]:
        return []


@dataclass
class StreamServices(FakeServices):
    """What an upgrade reaches."""

    settings: Settings = field(default_factory=lambda: settings_with(command_wait_seconds=1))
    fleet: Nothing = field(default_factory=Nothing)
    agents: Nothing = field(default_factory=Nothing)
    commands: None = None
    queue: None = None


class Door:
    """A server in a thread."""

    def __init__(self, services: StreamServices) -> None:
        self.services = services
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        app = build_app(services)  # type: ignore[arg-type]
        config = uvicorn.Config(app, ws=LogSocket, http="httptools", log_config=None, ws_per_message_deflate=False)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Door:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def _run(self) -> None:
        asyncio.run(self._server.serve([self._socket]))

    def follow(self, **headers: str) -> ClientConnection:
        url = f"ws://{self.address}/api/v1/containers/{'0' * 64}/logs/stream"
        return connect(url, additional_headers=headers, user_agent_header=None)

    def refusal(self, **headers: str) -> int:
        """The status an upgrade is refused with; the close code when it is not."""
        try:
            with self.follow(**headers) as opened:
                opened.recv(timeout=5)
        except InvalidStatus as refused:
            return refused.response.status_code
        except ConnectionClosedError as closed:
            assert closed.rcvd is not None
            return closed.rcvd.code
        raise AssertionError("it stayed open")

    def call(self, method: str, path: str, **headers: str) -> int:
        connection = http.client.HTTPConnection(self.address, timeout=5)
        connection.request(method, path, b"{}" if method == "POST" else None, headers)
        status = connection.getresponse().status
        connection.close()
        return status


@pytest.fixture
def door() -> Iterator[Door]:
    with Door(StreamServices()) as running:
        yield running


def session(services: StreamServices) -> str:
    """A cookie that opens ada's session."""
    from handlers.auth import log_in

    answer = log_in(request("POST", "/auth/login"), services)  # type: ignore[arg-type]
    return str(answer.header("set-cookie")).split(";")[0]


def test_strangers_cannot_fill_the_log_with_errors(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert door.refusal() == 401
    assert door.refusal(Authorization=ADA) == 4004
    assert [record.message for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


def test_who_is_not_known_is_refused_with_401(door: Door) -> None:
    assert door.refusal() == 401
    assert door.refusal(Authorization="Basic YWRhOndyb25n") == 401
    assert door.refusal(Cookie=f"{COOKIE}=forged") == 401


def test_a_program_comes_in_with_a_password_or_a_session(door: Door) -> None:
    assert door.refusal(Authorization=ADA) == 4004
    assert door.refusal(Cookie=session(door.services)) == 4004


def test_a_page_comes_in_with_a_session_alone_and_only_from_here(door: Door) -> None:
    here = f"http://{door.address}"
    cookie = session(door.services)
    assert door.refusal(Origin=here, Cookie=cookie) == 4004
    assert door.refusal(Origin=here, Authorization=ADA) == 401
    for elsewhere in ("http://evil.test", "null", f"http://evil.test@{door.address}.test", "http://127.0.0.1:1"):
        assert door.refusal(Origin=elsewhere, Cookie=cookie) == 403, elsewhere


def test_upgrades_are_counted(door: Door) -> None:
    clock = door.services.clock
    for _ in range(999):
        door.services.limits.hit("upgrades:ip:127.0.0.1", 900, clock.now())
    assert door.refusal(Authorization=ADA) == 4004
    assert door.refusal(Authorization=ADA) == 429


def test_by_identity_upgrades_are_counted_by_session_wherever_they_come_from() -> None:
    services = StreamServices(settings=settings_with(rate_limit_by_identity=True))
    with Door(services) as door:
        cookie = session(services)
        held = services.sessions.read(cookie.partition("=")[2], services.clock.now())
        assert held is not None
        for _ in range(1000):
            services.limits.hit(f"upgrades:session:{held.id}", 900, services.clock.now())
        assert door.refusal(Cookie=cookie) == 429
        assert door.refusal(Cookie=session(services)) == 4004


def test_a_store_that_does_not_answer_is_503_and_not_a_stranger(door: Door) -> None:
    def unavailable(*_: object) -> None:
        raise Unavailable("the store does not answer")

    cookie = session(door.services)
    door.services.limits.hit = unavailable  # type: ignore[method-assign, assignment]
    assert door.refusal(Cookie=cookie) == 503
    assert door.refusal() == 503


def test_whatever_is_wrong_first_is_said_first(door: Door) -> None:
    for _ in range(1000):
        door.services.limits.hit("upgrades:ip:127.0.0.1", 900, door.services.clock.now())
    assert door.refusal(Origin="http://evil.test") == 403, "and not counted"
    assert door.refusal() == 429, "before anybody is asked who they are"


def test_calls_about_connections_need_the_secret(door: Door) -> None:
    for method in ("GET", "POST", "DELETE"):
        assert door.call(method, "/@connections/any") == 403
        assert door.call(method, "/@connections/any", **{"X-Slipway-Secret": "guessed"}) == 403
        assert door.call(method, "/@connections/any", **{"X-Slipway-Secret": "gu\u00e9ssed"}) == 403
