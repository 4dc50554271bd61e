"""Chalice and FastAPI are two doors to one table: for the same event they send the same status, headers and body."""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import Any

import pytest

import app as chalice_door
from handlers.routes import ROUTES
from local_runtime.server.on_lambda import lambda_handler_over
from tests.builders.requests import event
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices, settings_with


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Context:
    aws_request_id = "request-1"


def through_chalice(event: dict[str, Any], services: FakeServices, monkeypatch: pytest.MonkeyPatch) -> Answer:
    monkeypatch.setattr(chalice_door, "services", lambda: services)
    return _answer(chalice_door.app(event, Context()))


def through_fastapi(event: dict[str, Any], services: FakeServices) -> Answer:
    return _answer(lambda_handler_over(services, PATHS)(event, Context()))


def _answer(result: dict[str, Any]) -> Answer:
    body = base64.b64decode(result["body"]) if result["isBase64Encoded"] else result["body"].encode()
    pairs = [(name, value) for name, value in (result["headers"] or {}).items()]
    pairs += [(name, value) for name, values in (result["multiValueHeaders"] or {}).items() for value in values]
    # The length is the transport's business, and each door names the request itself.
    own = ("content-length", "x-request-id")
    return Answer(result["statusCode"], tuple(sorted((n.lower(), v) for n, v in pairs if n.lower() not in own)), body)


CASES: dict[str, dict[str, Any]] = {
    "a plain read": event("GET", "/api/v1/things/7"),
    "no Accept header": event("GET", "/api/v1/things/7", accept=""),
    "an Accept header for JSON only": event("GET", "/api/v1/things/7", accept="application/json"),
    "an Accept header for pages only": event("GET", "/api/v1/things/7", accept="text/html"),
    "a trailing slash": event("GET", "/api/v1/things/7/"),
    "a literal path": event("GET", "/api/v1/things/special"),
    "a literal path that only starts like one": event("GET", "/api/v1/things/special/parts/1"),
    "a percent-encoded path": event("GET", "/api/v1/things/caf%C3%A9%20au%20lait"),
    "a slash inside a segment": event("GET", "/api/v1/things/a%2Fb"),
    "a percent sign in a segment": event("GET", "/api/v1/things/100%25"),
    "bytes in a path that are no UTF-8": event("GET", "/api/v1/things/%FF%00"),
    "an unfinished percent escape": event("GET", "/api/v1/things/%zz%"),
    "a plus sign in a path": event("GET", "/api/v1/things/a+b"),
    "dots in a path": event("GET", "/api/v1/things/.."),
    "an empty segment": event("GET", "/api/v1/things//parts/1"),
    "a line break in a path": event("GET", "/api/v1/things/a%0Ab"),
    "two parameters": event("GET", "/api/v1/things/7/parts/8"),
    "a query": event("GET", "/api/v1/things/7?limit=25&offset=0"),
    "a repeated query key": event("GET", "/api/v1/things/7?sort=name&sort=-age&limit=1"),
    "an empty query value": event("GET", "/api/v1/things/7?status=&kind"),
    "an encoded query": event("GET", "/api/v1/things/7?name=caf%C3%A9+au%26lait"),
    "HEAD": event("HEAD", "/api/v1/things/7"),
    "HEAD of something large": event("HEAD", "/api/v1/large", accept_encoding="gzip"),
    "HEAD of a stream": event("HEAD", "/api/v1/stream"),
    "OPTIONS": event("OPTIONS", "/api/v1/things/7"),
    "a large body": event("GET", "/api/v1/large"),
    "a large body, compressed": event("GET", "/api/v1/large", accept_encoding="gzip, deflate, br"),
    "compression that is not wanted": event("GET", "/api/v1/large", accept_encoding="gzip;q=0, *"),
    "identity that is preferred": event("GET", "/api/v1/large", accept_encoding="gzip;q=0.2, identity;q=0.9"),
    "a small body where compression is welcome": event("GET", "/api/v1/things/7", accept_encoding="gzip"),
    "a stream": event("GET", "/api/v1/stream", accept_encoding="gzip"),
    "bytes that are no text": event("GET", "/api/v1/file"),
    "bytes, with an Accept header": event("GET", "/api/v1/file", accept="application/json"),
    "two cookies at once": event("GET", "/api/v1/cookies"),
    "something the client has": event("GET", "/api/v1/things/special", if_none_match='W/"x", *'),
    "a body": event("POST", "/api/v1/things/7", body=b'{"action":"snooze","days":7}'),
    "a body with a charset": event(
        "PUT", "/api/v1/things/7", body=b"[]", content_type="application/json; charset=UTF-8"
    ),
    "a body of another kind": event("POST", "/api/v1/things/7", body=b"action=snooze", content_type="text/plain"),
    "a form": event("PUT", "/api/v1/things/7", body=b"a=1", content_type="application/x-www-form-urlencoded"),
    "a body without a type": event("POST", "/api/v1/things/7", body=b"{}", content_type=""),
    "a body that is no JSON": event("POST", "/api/v1/things/7", body=b'{"action": }'),
    "a body that is no UTF-8": event("POST", "/api/v1/things/7", body=b'{"action": "\xff"}'),
    "a body nested too deeply": event("PUT", "/api/v1/things/7", body=b"[" * 2000 + b"]" * 2000),
    "a body that is too large": event("PUT", "/api/v1/things/7", body=b'"' + b"a" * 300_000 + b'"'),
    "a body declared to be too large": event("PUT", "/api/v1/things/7", body=b"{}", content_length="999999999"),
    "a body without a required member": event("POST", "/api/v1/things/7", body=b"{}"),
    "no body where one is required": event("POST", "/api/v1/things/7"),
    "a body with a wrong word": event("POST", "/api/v1/things/7", body=b'{"action":"sleep"}'),
    "a body with a number out of bounds": event("POST", "/api/v1/things/7", body=b'{"action":"snooze","days":0}'),
    "a body that is a list": event("POST", "/api/v1/things/7", body=b"[]"),
    "a body on DELETE": event("DELETE", "/api/v1/things/7", body=b"{", x_dd_confirm_action="thing-delete"),
    "unicode in a body": event("PUT", "/api/v1/things/7", body='{"n":"Größe \\u2603 大"}'.encode()),
    "a lone surrogate in a body": event("PUT", "/api/v1/things/7", body=b'{"n":"\\ud800"}'),
    "an unknown path": event("GET", "/api/v1/nowhere"),
    "the root": event("GET", "/"),
    "a method that is not possible": event("PATCH", "/api/v1/things/7"),
    "an unconfirmed delete": event("DELETE", "/api/v1/things/7"),
    "a confirmed delete": event("DELETE", "/api/v1/things/7", x_dd_confirm_action=" Thing-Delete , x"),
    "no credentials": event("GET", "/api/v1/things/7", authorization=""),
    "a wrong password": event("GET", "/api/v1/things/7", authorization="Basic " + base64.b64encode(b"ada:x").decode()),
    "credentials that cannot be read": event("GET", "/api/v1/things/7", authorization="Basic %%%"),
    "a scheme we do not know": event("GET", "/api/v1/things/7", authorization="Digest x"),
    "a session that is not ours": event("GET", "/api/v1/things/7", authorization="", cookie="drydock.sid=forged"),
    "a cookie without an origin": event("POST", "/api/v1/act", cookie="a=b"),
    "a cookie and a foreign origin": event("POST", "/api/v1/act", cookie="a=b", origin="https://evil.test"),
    "a cookie and our own origin": event("POST", "/api/v1/act", cookie="a=b", origin="https://slipway.test"),
    "not found": event("GET", "/api/v1/fail/NotFound"),
    "invalid": event("GET", "/api/v1/fail/Invalid"),
    "forbidden": event("GET", "/api/v1/fail/Forbidden"),
    "a conflict": event("GET", "/api/v1/fail/Conflict"),
    "a failure with an operation": event("GET", "/api/v1/fail/Failed"),
    "something unavailable": event("GET", "/api/v1/fail/Unavailable"),
    "too many": event("GET", "/api/v1/fail/TooMany"),
    "a bug": event("GET", "/api/v1/fail/bug"),
    "WUD's path with a slash": event("GET", "/api/things/"),
}


@pytest.fixture(autouse=True)
def _the_test_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.dispatch.table", lambda: PATHS)


@pytest.mark.parametrize("name", CASES)
def test_both_doors_answer_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    chalice = through_chalice(CASES[name], FakeServices(), monkeypatch)
    fastapi = through_fastapi(CASES[name], FakeServices())
    assert chalice == fastapi


@pytest.mark.parametrize("origin", ["https://cards.test", "https://other.test"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_both_doors_say_the_same_to_other_origins(method: str, origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = event(method, "/api/v1/things/7", origin=origin, access_control_request_method="GET")
    settings = settings_with(cors_enabled=True, cors_origin="https://cards.test")
    chalice = through_chalice(asked, FakeServices(settings), monkeypatch)
    assert chalice == through_fastapi(asked, FakeServices(settings))
    allowed = dict(chalice.headers).get("access-control-allow-origin")
    assert allowed == ("https://cards.test" if origin == "https://cards.test" else None)


def test_a_limit_is_counted_alike_by_both_doors(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = FakeServices(), FakeServices()
    for expected in (200, 200, 429):
        chalice = through_chalice(event("POST", "/api/v1/reveal"), first, monkeypatch)
        fastapi = through_fastapi(event("POST", "/api/v1/reveal"), second)
        assert chalice == fastapi
        assert chalice.status == expected


def test_a_client_that_has_the_body_is_not_sent_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    etag = dict(through_chalice(event("GET", "/api/v1/large"), FakeServices(), monkeypatch).headers)["etag"]
    again = event("GET", "/api/v1/large", if_none_match=etag, accept_encoding="gzip")
    chalice = through_chalice(again, FakeServices(), monkeypatch)
    assert chalice == through_fastapi(again, FakeServices())
    assert (chalice.status, chalice.body) == (304, b"")


def test_an_event_of_a_stage_without_binary_bodies_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = event("PUT", "/api/v1/things/7", body=b'{"a":"\xc3\xbc"}')
    asked |= {"body": '{"a":"ü"}', "isBase64Encoded": False}
    chalice = through_chalice(asked, FakeServices(), monkeypatch)
    assert chalice == through_fastapi(asked, FakeServices())
    assert chalice.status == 200


def test_every_row_is_a_resource_of_the_gateway_with_every_method() -> None:
    assert {row.path for row in ROUTES} | {"/", "/{proxy+}"} == set(chalice_door.app.routes)
    for entries in chalice_door.app.routes.values():
        assert set(entries) == set(chalice_door.METHODS)


def test_a_row_of_the_table_is_answered_under_its_own_resource(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = event("GET", "/api/v1/things/7")
    row = replace(ROUTES[0], path="/api/v1/things/{id}")
    chalice_door.app.route(row.path, methods=["GET"], name="one row")(chalice_door.answer)
    try:
        asked["requestContext"]["resourcePath"] = row.path
        asked["pathParameters"] = {"id": "7"}
        assert through_chalice(asked, FakeServices(), monkeypatch).status == 200
    finally:
        del chalice_door.app.routes[row.path]
