"""Bad input of every kind, through both doors: a documented 4xx or a harmless answer, never a 500, nothing stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

import app as chalice_door
from handlers.dispatch import table
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.api import Api, api_over
from tests.builders.containers import container, with_update
from tests.builders.requests import event

WEB = with_update(container("web"))
BASE = "/api/v1/containers"
ONE = f"{BASE}/{WEB.id}"
POLICY = f"{ONE}/update-policy"
KEPT = ("containers", "policies", "operations", "commands", "backups", "audit", "cache", "tokens")
"""The tables that no refused request may touch; counters of requests are not among them."""

Case = tuple[str, str, bytes, dict[str, str], set[int]]


def case(method: str, target: str, *statuses: int, body: object = b"", **headers: str) -> Case:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return method, target, content, headers, set(statuses)


IDS = ["x", "%00", "%FF%FE", "%zz", "%", "..", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", "%0d%0aSet-Cookie:a=b", "{id}", "*"]
IDS += ["'%20OR%201=1--", "%3Cscript%3E", "${jndi:ldap://x}", "%F0%9F%92%A9", "a" * 4000, WEB.id[:-1], WEB.id + "0"]
IDS += [
    WEB.id.upper(),
    "web",
    "local%2Fweb",
    "__proto__",
    "constructor",
    "null",
    "undefined",
    "-1",
    "0",
    "%7B%7D",
    "%5B%5D",
]
NUMBERS = ["-1", "1e999", "NaN", "Infinity", "9" * 400, "0x41", "1.5", "%00", "٣", "", "null", "[]", "+5", "--5", "١٢"]
WORDS = [
    "",
    "%00",
    "a" * 8000,
    "name,status",
    "%F0%9F%92%A9",
    "__proto__",
    "%FF",
    "NAME",
    "name%20desc",
    "1",
    "[]",
    "{}",
]
BODIES: list[object] = [
    b"{",
    b"}",
    b"[",
    b'"',
    b"nul",
    b"\x00",
    b"\xff\xfe{}",
    b"\xef\xbb\xbf{}",
    b"{'action':'clear'}",
    b'{"action":"clear"}{"action":"clear"}',
    b'{"action":NaN}',
    b'{"action":1e999}',
    b'{"action":"\\ud800"}',
    b'{"action":"cl\x00ear"}',
    b"[" * 100_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"action":"' + b"a" * 250_000 + b'"}',
    b"a" * 300_000,
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
    [],
    7,
    "clear",
    None,
    True,
    {},
    {"action": None},
    {"action": {}},
    {"action": ["clear"]},
    {"action": True},
    {"action": "__proto__"},
    {"action": "CLEAR"},
    {"action": " clear "},
    {"action": "constructor"},
    {"action": "snooze", "days": {}},
    {"action": "snooze", "days": []},
    {"action": "snooze", "days": "1e400"},
    {"action": "snooze", "days": 1e308},
    {"action": "snooze", "days": -0.0},
    {"action": "snooze", "days": 10**30},
    {"action": "snooze", "days": "٣٦٦"},
    {"action": "snooze", "snoozeUntil": {}},
    {"action": "snooze", "snoozeUntil": []},
    {"action": "snooze", "snoozeUntil": True},
    {"action": "snooze", "snoozeUntil": 10**40},
    {"action": "snooze", "snoozeUntil": "2026-13-45"},
    {"action": "snooze", "snoozeUntil": "0000-00-00"},
    {"action": "snooze", "snoozeUntil": "0001-01-01T00:00:00+23:59"},
    {"action": "snooze", "snoozeUntil": "99999-01-01"},
    {"action": "snooze", "snoozeUntil": "a" * 10_000},
    {"action": "snooze", "snoozeUntil": "\x00"},
    {"action": "remove-skip"},
    {"action": "remove-skip", "kind": {}, "value": {}},
    {"action": "remove-skip", "kind": "tag", "value": []},
    {"action": "remove-skip", "kind": "tag", "value": ""},
    {"action": "remove-skip", "kind": ["tag"], "value": "1"},
    {"action": "remove-skip", "kind": "__class__", "value": "1"},
    {"action": "set-maturity-policy", "mode": []},
    {"action": "set-maturity-policy", "mode": {"$gt": ""}},
    {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": 10**30},
    {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": "1e2e3"},
    {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": {}},
    {"action": "set-maturity-policy", "mode": "mature", "minAgeDays": -1e-9},
]
WATCHES: list[object] = [
    {"containerIds": {}},
    {"containerIds": [None]},
    {"containerIds": [[WEB.id]]},
    {"containerIds": [""]},
    {"containerIds": [WEB.id, 1]},
    {"containerIds": ["x"] * 5000},
    {"containerIds": "a" * 64},
    {"containerIds": [WEB.id], "extra": 1},
    {"__proto__": {}},
    {"constructor": {"prototype": {}}},
]
HEADERS: list[dict[str, str]] = [
    {"authorization": "Basic"},
    {"authorization": "Basic \x00"},
    {"authorization": "Basic YQ=="},
    {"authorization": "Basic " + "A" * 20_000},
    {"authorization": "Bearer"},
    {"authorization": "Bearer null"},
    {"authorization": "Bearer eyJhbGciOiJub25lIn0.e30."},
    {"authorization": "Negotiate x"},
    {"authorization": "basic,basic"},
    {"authorization": "Basic ÿ"},
    {"authorization": "", "cookie": "drydock.sid="},
    {"authorization": "", "cookie": "drydock.sid=e30.YQ.YQ"},
    {"authorization": "", "cookie": "drydock.sid=" + "a" * 20_000},
    {"authorization": "", "cookie": '";;=,drydock.sid'},
]


def cases() -> Iterator[Case]:
    """Every hostile request with the statuses it may be answered with."""
    for one in IDS:
        yield case("GET", f"{BASE}/{one}", 404)
        yield case("GET", f"{BASE}/{one}/triggers", 404)
        yield case("DELETE", f"{BASE}/{one}", 404, 405, x_dd_confirm_action="container-delete")
        yield case("PATCH", f"{BASE}/{one}/update-policy", 404, body={"action": "clear"})
        yield case("POST", f"{BASE}/{one}/update", 404)
    for number in NUMBERS:
        yield case("GET", f"{BASE}?limit={number}&offset={number}", 200)
        yield case("GET", f"{ONE}/update-operations?limit={number}&offset={number}", 200)
        yield case("GET", f"/api/v1/audit?limit={number}&offset={number}", 200)
    for word in WORDS:
        for name in ("sort", "order", "status", "kind", "maturity"):
            yield case("GET", f"{BASE}?{name}={word}", 400)
        yield case("GET", f"{BASE}?watcher={word}", 200, 400)
        yield case("GET", f"{BASE}?{word}={word}&includeVulnerabilities={word}", 200, 400)
        yield case("GET", f"{BASE}/backups?containerName={word}", 200)
        yield case("GET", f"/api/v1/audit?container={word}&action={word}&from={word}&to={word}", 200, 400)
    for body in BODIES:
        yield case("PATCH", POLICY, 400, 413, body=body)
    for body in WATCHES:
        yield case("POST", f"{BASE}/watch", 400, body=body)
    for kind in (
        "text/plain",
        "application/xml",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ):
        yield case("PATCH", POLICY, 415, body={"action": "clear"}, content_type=kind)
    yield case("PATCH", POLICY, 415, body={"action": "clear"}, content_encoding="gzip")
    yield case("PATCH", POLICY, 400, body={"action": "clear"}, content_length="-5")
    yield case("PATCH", POLICY, 400, body={"action": "clear"}, content_length="many")
    yield case("PATCH", POLICY, 413, body={"action": "clear"}, content_length="9" * 30)
    for headers in HEADERS:
        yield case("GET", BASE, 400, 401, **headers)
        yield case("DELETE", ONE, 400, 401, 403, x_dd_confirm_action="container-delete", **headers)
    for method in ("PUT", "POST", "PATCH"):
        yield case(method, ONE, 405)
    for method in ("PUT", "DELETE", "PATCH"):
        yield case(method, BASE, 405)
    for value in ("", "yes", "container-delete2", "container delete", "x" * 9000, "container-rollback", "\u00ff"):
        yield case("DELETE", ONE, 428, x_dd_confirm_action=value)
    for origin in (
        "https://evil.test",
        "null",
        "https://slipway.test.evil.test",
        "http://slipway.test",
        "//",
        "\u00ff",
    ):
        yield case("PATCH", POLICY, 403, body={"action": "snooze"}, cookie="a=b", origin=origin)
    for path in ("//api/v1/containers", "/api/v1//containers", "/api/v1/containers/../audit/x", "/API/v1/containers"):
        yield case("GET", path, 404)
    for path in ("/api/v1/containers;x=1", "/api/v1/containers%2F", "/api/v1/%63ontainers%00", "/.env", "/api"):
        yield case("GET", path, 404)


CASES = list(cases())


def _name(one: Case) -> str:
    method, target, body, headers, _ = one
    return ascii(f"{method} {target[:60]} {body[:40]!r} {list(headers)}")


@pytest.fixture(scope="module")
def hostile(api_store: str) -> Iterator[Api]:
    """An API with one container: none of the requests may change it, so all may share it."""
    with api_over(api_store) as api:
        api.add(WEB, web={"SECRET": "s3cret"})
        yield api


class _Context:
    aws_request_id = "request-1"


def through_both_doors(api: Api, sent: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(chalice_door, "services", lambda: api.services)
    return [chalice_door.app(sent, _Context()), lambda_handler_over(api.services, table())(sent, _Context())]


def contents(api: Api) -> dict[str, list[str]]:
    """What is stored, without what counts requests."""
    client, prefix = api.services.tables.client, api.services.tables.prefix
    existing = client.list_tables()["TableNames"]
    return {
        name: sorted(map(repr, client.scan(TableName=prefix + name)["Items"]))
        for name in KEPT
        if prefix + name in existing
    }


@pytest.mark.parametrize("hostile_request", [pytest.param(one, id=_name(one)) for one in CASES])
def test_a_hostile_request_is_refused_by_both_doors_alike_and_stores_nothing(
    hostile: Api, hostile_request: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    method, target, body, headers, allowed = hostile_request
    before = contents(hostile)
    answers = through_both_doors(hostile, event(method, target, body=body, **headers), monkeypatch)
    assert answers[0]["statusCode"] in allowed, answers[0]
    assert answers[0]["statusCode"] == answers[1]["statusCode"]
    assert contents(hostile) == before
    assert hostile.host.performed == []


def test_there_are_at_least_two_hundred() -> None:
    assert len(CASES) >= 200
