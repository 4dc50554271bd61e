"""Calls about viewers' connections, as API Gateway answers them: one message a line, and patience when it is busy."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from chalicelib.adapters import connections
from chalicelib.adapters.connections import ManagementApi
from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log import LogLine
from chalicelib.ports.connections import Gone
from tests.docker.gateway import MOST_BYTES, Gateway, running_gateway

LINES = [LogLine("stdout", "2026-03-18T12:00:00.000000001Z", text) for text in ("one", "\x01é" * 100_000, "two")]


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with running_gateway() as running:
        running.open("c-1")
        yield running


@pytest.fixture
def calls() -> ManagementApi:
    return ManagementApi("us-east-1", ("test", "test"))


def test_every_frame_is_a_message_and_none_is_too_large(gateway: Gateway, calls: ManagementApi) -> None:
    calls.post(Connection("c-1", gateway.url), calls.encode(LINES), 1)
    messages = gateway.messages["c-1"]
    assert all(len(message) <= MOST_BYTES for message in messages)
    texts = [json.loads(message)["line"] for message in messages]
    assert (texts[0], "".join(texts[1:-1]), texts[-1]) == ("one", LINES[1].line, "two")
    assert gateway.refused == []


def test_a_gateway_that_is_too_busy_is_asked_again_and_each_line_arrives_once(
    gateway: Gateway, calls: ManagementApi
) -> None:
    gateway.throttled = 2
    calls.post(Connection("c-1", gateway.url), calls.encode([LINES[0], LINES[2]]), 1)
    assert [json.loads(message)["line"] for message in gateway.messages["c-1"]] == ["one", "two"]
    assert gateway.refused == [429] * 2


def test_one_that_stays_too_busy_does_not_answer_and_a_viewer_that_left_is_gone(
    gateway: Gateway, calls: ManagementApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_RETRIES_OVER_THERE", 1)
    gateway.throttled = 2
    with pytest.raises(Unavailable):
        calls.require(Connection("c-1", gateway.url))
    calls.require(Connection("c-1", gateway.url))
    gateway.leave("c-1")
    for call in (
        lambda: calls.post(Connection("c-1", gateway.url), b"{}", 1),
        lambda: calls.require(Connection("c-1", gateway.url)),
        lambda: calls.close(Connection("c-1", gateway.url), 1011, "over"),
    ):
        with pytest.raises(Gone):
            call()


def test_a_connection_is_told_why_it_ends_unless_the_log_has_ended(gateway: Gateway, calls: ManagementApi) -> None:
    gateway.open("c-2")
    calls.close(Connection("c-1", gateway.url), 1011, "no more")
    calls.close(Connection("c-2", gateway.url), 1000, "End of the log")
    assert [json.loads(message) for message in gateway.messages["c-1"]] == [
        {"type": "close", "code": 1011, "reason": "no more"}
    ]
    assert (gateway.messages["c-2"], gateway.closed) == ([], {"c-1", "c-2"})
