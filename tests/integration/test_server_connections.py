"""Many connections at once: idle ones, ones that take no answer; users are answered all the same."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from local_runtime.server import http_socket
from local_runtime.server.http_socket import HttpSocket
from tests.integration.test_server import Server, started

FEW = """
from local_runtime.server.serving import serve
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices, settings_with
serve(FakeServices(settings_with(most_connections=40)), "127.0.0.1", 0, PATHS)
import os; os._exit(0)
"""
THINGS = "/api/v1/things/7"
LARGE = 40 * 1024 * 1024


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server with ten connections for each address."""
    with started("-c", FEW) as running:
        yield running


def test_idle_connections_keep_nobody_out(server: Server) -> None:
    with ExitStack() as held:
        first = held.enter_context(socket.create_connection((server.host, server.port), timeout=20))
        for number in range(40):
            raw = held.enter_context(socket.create_connection((server.host, server.port), timeout=20))
            raw.sendall(b"GET /" if number % 2 else b"")
        assert server.ask("GET", THINGS)[0] == 200
        assert first.recv(1) == b""


def test_who_takes_nothing_of_an_answer_is_let_go_and_who_reads_gets_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert asyncio.run(_fetched(waits=False)) == LARGE
    monkeypatch.setattr(http_socket, "STALL_SECONDS", 1.0)
    assert asyncio.run(_fetched(waits=True)) < LARGE


async def _large(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LARGE)]})
    await send({"type": "http.response.body", "body": bytes(LARGE)})


async def _fetched(*, waits: bool) -> int:
    """How many bytes a client gets that reads at once, or that waits until it is let go."""
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    config, state = uvicorn.Config(_large, lifespan="off", log_config=None), ServerState()

    class Watched(HttpSocket):
        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            gone.set()

    server = await loop.create_server(lambda: Watched(config, state, {}), "127.0.0.1", 0)
    with socket.socket() as raw:
        raw.setblocking(False)
        await loop.sock_connect(raw, server.sockets[0].getsockname())
        await loop.sock_sendall(raw, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        if waits:
            await asyncio.wait_for(gone.wait(), 60)
        got = b""
        with suppress(ConnectionError):
            while chunk := await asyncio.wait_for(loop.sock_recv(raw, 1024 * 1024), 60):
                got += chunk
    server.close()
    return len(got.partition(b"\r\n\r\n")[2])
