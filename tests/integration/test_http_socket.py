"""Clients that mean no well: endless heads, trailers that pose as headers, requests that never end."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.builders.requests import ADA
from tests.integration.test_server import Server, started

PATIENCE = 1.0
IMPATIENT = f"""
from local_runtime.server import http_socket
from local_runtime.server.serving import serve
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices, settings_with
http_socket.REQUEST_SECONDS = {PATIENCE}
serve(FakeServices(settings_with(trust_proxy=True)), "127.0.0.1", 0, PATHS)
import os; os._exit(0)
"""
HEAD = f"Host: x\r\nAuthorization: {ADA}\r\nX-Forwarded-For: 192.0.2.1\r\n".encode()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server behind a proxy, with little patience."""
    with started("-c", IMPATIENT) as running:
        yield running


def until_closed(server: Server, *parts: bytes) -> bytes:
    """What it answers, and says before it closes the connection."""
    answer = b""
    with socket.create_connection((server.host, server.port), timeout=20) as raw:
        try:
            for part in parts:
                raw.sendall(part)
            while chunk := raw.recv(65536):
                answer += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    return answer


@pytest.mark.parametrize(
    "head",
    [
        b"X-Endless: " + b"a" * 100_000,
        b"X: y\r\n" * 20_000,
        b"X-Whole: " + b"a" * 100_000 + b"\r\n\r\n",
    ],
    ids=["one endless header", "endless headers", "a large head that is whole"],
)
def test_a_head_beyond_its_limit_is_refused(server: Server, head: bytes) -> None:
    assert until_closed(server, b"GET /api/v1/things/7 HTTP/1.1\r\n", HEAD, head).startswith(b"HTTP/1.1 431 ")


def test_an_endless_address_is_refused(server: Server) -> None:
    assert until_closed(server, b"GET /api/v1/things/7?", b"a" * 100_000).startswith(b"HTTP/1.1 431 ")


def test_a_long_query_is_read(server: Server) -> None:
    status, _, body = server.ask("GET", "/api/v1/things/7?q=" + "a" * 60_000)
    assert (status, len(json.loads(body)["query"]["q"][0])) == (200, 60_000)


def test_a_trailer_is_no_header(server: Server) -> None:
    sent = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n"
    body = b'7\r\n{"a":1}\r\n0\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n'
    answer = until_closed(server, b"PUT /api/v1/things/7 HTTP/1.1\r\n", HEAD, sent, b"\r\n", body)
    told = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (told["client"], told["payload"]) == ("192.0.2.1", {"a": 1})


def test_an_endless_trailer_is_cut_off(server: Server) -> None:
    sent = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: "
    begun = time.monotonic()
    endless = [b"a" * 100_000] * 100
    assert until_closed(server, b"PUT /api/v1/things/7 HTTP/1.1\r\n", HEAD, sent, *endless) == b""
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"\r\n",
        b"GET /api/v1/things/7 HTTP/1.1\r\nHost:",
        b"PUT /api/v1/things/7 HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{",
    ],
    ids=["silence", "an empty line", "half a head", "half a body"],
)
def test_what_does_not_become_a_request_in_time_is_cut_off(server: Server, begin: bytes) -> None:
    begun = time.monotonic()
    assert until_closed(server, begin) == b""
    assert PATIENCE / 2 < time.monotonic() - begun < 10 * PATIENCE


def test_an_answer_that_takes_longer_than_that_is_waited_for(server: Server) -> None:
    status, _, _ = server.ask("GET", "/api/v1/slow?seconds=2")
    assert status == 200
