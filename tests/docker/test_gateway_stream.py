"""The same log stream in the cloud's way: Chalice's WebSocket handlers, and API Gateway's calls about connections."""

from __future__ import annotations

import json
import logging
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import app as door
from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.wire.log_ring import RING
from tests.builders.requests import event as asked
from tests.docker.gateway import Gateway, running_gateway
from tests.docker.rig import EngineHost
from tests.docker.slipway import Slipway, running_slipway, within

NUMBERED = (
    "sleep 1; i=0; while [ $i -lt 750 ]; do echo $i; echo $i >&2; i=$((i+1)); done; sleep 1; echo end; sleep 1000"
)
CLOCK = {"source": "aws.events", "detail-type": "Scheduled Event", "resources": [], "detail": {}, "id": "1"} | {
    "account": "0",
    "region": "us-east-1",
    "version": "0",
    "time": "2026-11-23T12:00:00Z",
}


class Context:
    aws_request_id = "request-1"


@pytest.fixture(scope="module")
def slipway(engine_host: EngineHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    with running_slipway(engine_host, tmp_path_factory.mktemp("slipway") / "data") as running:
        yield running


@pytest.fixture
def gateway(slipway: Slipway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """API Gateway in front of the Chalice application, which works on the same store as the executor."""
    given = Path(f"/proc/{slipway.pid('executor')}/environ").read_text().split("\0")
    environment = dict(entry.split("=", 1) for entry in given if "=" in entry)
    with running_gateway() as running:
        services = Services(load(environment | {"SLIPWAY_CONNECTIONS_URL": running.url}))
        monkeypatch.setattr(door, "services", lambda: services)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        yield running


def event(route: str, connection: str, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    sent = {"Host": "abc.execute-api.us-east-1.amazonaws.com", **headers}
    return {
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": {name: [value] for name, value in (query or {}).items()} or None,
        "requestContext": {
            "routeKey": route,
            "eventType": route.strip("$").upper(),
            "domainName": "abc.execute-api.us-east-1.amazonaws.com",
            "stage": "prod",
            "apiId": "abc",
            "connectionId": connection,
            "identity": {"sourceIp": "192.0.2.7"},
            "requestId": "request-1",
        },
        "isBase64Encoded": False,
    }


def connect(gateway: Gateway, connection: str, query: dict[str, str], **headers: str) -> int:
    """What API Gateway does for a viewer: ask, then open the connection when the answer allows it."""
    status = int(door.open_stream(event("$connect", connection, query, **headers), Context())["statusCode"])
    if status == 200:
        gateway.open(connection)
    return status


def lines(gateway: Gateway, connection: str) -> list[str]:
    return [json.loads(message)["line"] for message in list(gateway.messages[connection])]


def test_every_line_is_a_message_until_the_viewer_leaves(slipway: Slipway, gateway: Gateway) -> None:
    container = slipway.run("clouded", "i=0; while :; do echo line $i; i=$((i+1)); sleep 0.05; done")
    assert connect(gateway, "c-1", {"container": container, "tail": "3"}) == 200
    within(30, lambda: len(gateway.messages["c-1"]) >= 30, slipway.log)
    found = lines(gateway, "c-1")
    first = int(found[0].split()[1])
    assert found == [f"line {first + offset}" for offset in range(len(found))]
    frame = json.loads(gateway.messages["c-1"][0])
    assert set(frame) == {"type", "ts", "displayTs", "line"}
    assert door.hear_viewer(event("$default", "c-1"), Context()) == {"statusCode": 200}
    gateway.leave("c-1")
    assert door.close_stream(event("$disconnect", "c-1"), Context()) == {"statusCode": 200}
    gateway.refused.clear()
    within(30, lambda: 410 in gateway.refused)
    count = len(gateway.messages["c-1"])
    slipway.remove(container)
    assert len(gateway.messages["c-1"]) == count


def test_lines_printed_at_full_speed_arrive_whole_in_order_once_to_each_viewer(
    slipway: Slipway, gateway: Gateway
) -> None:
    container = slipway.run("numbered-there", NUMBERED)
    for viewer in ("c-7", "c-8"):
        assert connect(gateway, viewer, {"container": container, "tail": "10000"}) == 200
    for viewer in ("c-7", "c-8"):
        within(60, lambda name=viewer: "end" in lines(gateway, name)[-1:], slipway.log)  # type: ignore[misc]
        found: dict[str, list[str]] = {"stdout": [], "stderr": []}
        for frame in map(json.loads, gateway.messages[viewer]):
            found[frame["type"]].append(frame["line"])
        numbers = [str(number) for number in range(750)]
        assert found == {"stdout": [*numbers, "end"], "stderr": numbers}
    slipway.remove(container)


def test_the_end_of_a_log_closes_the_connection_and_large_lines_come_in_pieces(
    slipway: Slipway, gateway: Gateway
) -> None:
    container = slipway.run("pieces", "head -c 300000 /dev/zero | tr '\\0' x; echo; echo last; sleep 1000")
    within(30, lambda: slipway.get(f"/containers/{container}/logs?timestamps=false")[2].endswith(b"last\n"))
    assert connect(gateway, "c-2", {"container": container, "follow": "false"}) == 200
    within(30, lambda: "c-2" in gateway.closed, slipway.log)
    found = lines(gateway, "c-2")
    assert (len(found) > 3, "".join(found[:-1]), found[-1]) == (True, "x" * 300_000, "last")
    assert 413 not in gateway.refused
    slipway.remove(container)


def test_a_stream_that_breaks_says_so_in_its_last_frame(slipway: Slipway, gateway: Gateway) -> None:
    container = slipway.run("mute", "sleep 1000", HostConfig={"LogConfig": {"Type": "none"}})
    assert connect(gateway, "c-3", {"container": container}) == 200
    within(30, lambda: "c-3" in gateway.closed, slipway.log)
    last = json.loads(gateway.messages["c-3"][-1])
    assert (last["type"], last["code"]) == ("close", 1011)
    assert "does not support reading" in last["reason"]
    slipway.remove(container)


def test_what_cannot_be_followed_is_refused_before_the_connection_opens(slipway: Slipway, gateway: Gateway) -> None:
    stopped = slipway.run("ended", "true")
    within(30, lambda: slipway.json(f"/containers/{stopped}")["status"] == "exited")
    assert connect(gateway, "c-4", {"container": "0" * 64}) == 404
    assert connect(gateway, "c-4", {}) == 404
    assert connect(gateway, "c-4", {"container": stopped}) == 409
    assert connect(gateway, "c-4", {"container": stopped}, Origin="https://elsewhere.test") == 403
    slipway.remove(stopped)


def test_slipways_own_log_comes_from_executors_and_from_instances_of_the_api(
    slipway: Slipway, gateway: Gateway
) -> None:
    assert connect(gateway, "c-5", {"log": "system", "level": "loud"}) == 400
    assert connect(gateway, "c-5", {"log": "system", "tail": "1"}) == 200
    within(30, lambda: gateway.messages["c-5"], slipway.log)
    frame = json.loads(gateway.messages["c-5"][0])
    assert set(frame) == {"timestamp", "level", "component", "msg"}
    assert frame["component"].startswith("local.")
    root = logging.getLogger()
    root.addHandler(RING)
    try:
        logging.getLogger("slipway.http").warning("an instance of the API has something to say")
        assert door.app(asked("GET", "/health"), Context())["statusCode"] == 200
    finally:
        root.removeHandler(RING)
    said = [json.loads(message) for message in list(gateway.messages["c-5"])]
    assert [one["component"] for one in said if "something to say" in one["msg"]] == ["http"]
    door.tend_viewers(CLOCK, Context())
    gateway.leave("c-5")
    assert door.close_stream(event("$disconnect", "c-5"), Context()) == {"statusCode": 200}
    gateway.refused.clear()
    within(30, lambda: 410 in gateway.refused)


def test_a_silent_viewer_of_a_dead_executor_is_let_go_by_the_clock(
    slipway: Slipway, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = slipway.run("orphaned", "echo here; sleep 1000")
    assert connect(gateway, "c-6", {"container": container}) == 200
    within(30, lambda: gateway.messages["c-6"], slipway.log)
    executor = slipway.pid("executor")
    os.kill(executor, signal.SIGSTOP)
    try:
        assert door.tend_viewers(CLOCK, Context()) == 0
        assert "c-6" not in gateway.closed, "it may only be busy"
        later = datetime.now(UTC) + timedelta(minutes=2)
        monkeypatch.setattr(door.services().clock, "now", lambda: later)
        assert door.tend_viewers(CLOCK, Context()) == 1
        assert "c-6" in gateway.closed
        last = json.loads(gateway.messages["c-6"][-1])
        assert last == {"type": "close", "code": 1011, "reason": "The executor does not answer"}
        assert door.tend_viewers(CLOCK, Context()) == 0
    finally:
        os.kill(executor, signal.SIGCONT)
    slipway.remove(container)
