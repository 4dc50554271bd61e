"""Dispatch: every request is answered, with the right status, headers and body."""

from __future__ import annotations

import gzip
import json
import logging

import pytest

from handlers.dispatch import dispatch
from handlers.http import Request, Response
from tests.builders.requests import request
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices, settings_with


def answered(asked: Request, services: FakeServices | None = None) -> Response:
    return dispatch(asked, services or FakeServices(), PATHS)


def content(response: Response) -> object:
    assert isinstance(response.body, bytes)
    return json.loads(response.body)


def error(response: Response) -> str:
    found = content(response)
    assert isinstance(found, dict)
    return str(found["error"])


def test_a_handler_sees_the_request_with_its_parameters_decoded() -> None:
    response = answered(request("GET", "/api/v1/things/caf%C3%A9%2F1/parts/2?sort=a&sort=b"))
    assert content(response) == {
        "method": "GET",
        "params": {"id": "café/1", "part": "2"},
        "query": {"sort": ["a", "b"]},
        "payload": {},
        "client": "192.0.2.7",
        "scheme": "http",
        "host": "slipway.test",
        "caller": "ada",
    }
    assert response.header("content-type") == "application/json; charset=utf-8"


def test_a_literal_path_wins_over_a_parameter() -> None:
    assert content(answered(request("GET", "/api/v1/things/special"))) == {"literal": True}
    assert content(answered(request("GET", "/api/v1/things/special/1"))) == {"literal": True}


def test_a_parameter_is_tried_when_the_literal_leads_nowhere() -> None:
    found = content(answered(request("GET", "/api/v1/things/special/parts/1")))
    assert isinstance(found, dict)
    assert found["params"] == {"id": "special", "part": "1"}


@pytest.mark.parametrize("path", ["/api/things", "/api/things/"])
def test_one_trailing_slash_is_forgiven(path: str) -> None:
    assert answered(request("GET", path)).status == 200


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/", "", "api/things", "/api/things//", "/api/v1/things//parts/1"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    response = answered(request("GET", path))
    assert response.status == 404
    assert error(response)


def test_a_method_that_is_not_possible_names_those_that_are() -> None:
    response = answered(request("PATCH", "/api/v1/things/7"))
    assert response.status == 405
    assert response.header("Allow") == "DELETE, GET, HEAD, OPTIONS, POST, PUT"


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "BREW", ""])
def test_an_odd_method_is_refused(method: str) -> None:
    assert answered(request(method, "/api/v1/things/7")).status == 405


def test_options_names_the_methods_without_asking_who_it_is() -> None:
    response = answered(request("OPTIONS", "/api/things", authorization=""))
    assert (response.status, response.body) == (204, b"")
    assert response.header("Allow") == "GET, HEAD, OPTIONS"


def test_head_is_get_without_the_body() -> None:
    get, head = answered(request("GET", "/api/v1/large")), answered(request("HEAD", "/api/v1/large"))
    assert isinstance(get.body, bytes)
    assert head.body == b""
    assert head.header("Content-Length") == str(len(get.body))
    assert head.header("ETag") == get.header("ETag")


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("Invalid", 400),
        ("Unauthenticated", 401),
        ("Forbidden", 403),
        ("NotFound", 404),
        ("Stale", 409),
        ("Unconfirmed", 428),
        ("Unavailable", 503),
        ("SlipwayError", 500),
    ],
)
def test_a_domain_error_has_its_status_and_says_its_words(kind: str, status: int) -> None:
    response = answered(request("GET", f"/api/v1/fail/{kind}"))
    assert response.status == status
    assert content(response) == {"error": f"It is {kind}: ü."}


def test_an_error_names_the_operation_it_is_about() -> None:
    conflict, failed = (answered(request("GET", f"/api/v1/fail/{kind}")) for kind in ("Conflict", "Failed"))
    assert (conflict.status, content(conflict)) == (409, {"error": "An update is under way.", "operationId": "op-1"})
    assert (failed.status, content(failed)) == (500, {"error": "The candidate did not start.", "operationId": "op-2"})


def test_too_many_says_when_to_come_back() -> None:
    response = answered(request("GET", "/api/v1/fail/TooMany"))
    assert (response.status, response.header("Retry-After")) == (429, "7")


def test_a_bug_is_logged_under_the_requests_name_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "slipway.http"):
        response = answered(request("GET", "/api/v1/fail/bug"))
    assert response.status == 500
    assert "secret" not in error(response)
    (record,) = caplog.records
    assert record.request_id == response.header("X-Request-Id") == "request-1"  # type: ignore[attr-defined]
    assert "a secret detail" in (record.exc_text or "")


def test_nobody_is_told_how_to_log_in() -> None:
    response = answered(request("GET", "/api/v1/things/7", authorization=""))
    assert response.status == 401
    assert response.header("WWW-Authenticate") == 'Basic realm="slipway", charset="UTF-8"'


def test_a_script_in_a_page_gets_no_dialog_of_the_browser() -> None:
    response = answered(request("GET", "/api/v1/things/7", authorization="", sec_fetch_dest="empty"))
    assert (response.status, response.header("WWW-Authenticate")) == (401, None)


class TestBodies:
    """What a request may carry."""

    def test_json_reaches_the_handler(self) -> None:
        response = answered(request("PUT", "/api/v1/things/7", body='{"n": "ü"}'.encode()))
        found = content(response)
        assert isinstance(found, dict)
        assert found["payload"] == {"n": "ü"}

    @pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
    def test_a_body_that_is_not_declared_as_json_is_refused(self, kind: str) -> None:
        assert answered(request("PUT", "/api/v1/things/7", body=b"{}", content_type=kind)).status == 415

    @pytest.mark.parametrize("kind", ["application/json", "Application/JSON", 'application/json; charset="utf-8"'])
    def test_json_may_be_declared_in_any_case_and_with_its_charset(self, kind: str) -> None:
        assert answered(request("PUT", "/api/v1/things/7", body=b"{}", content_type=kind)).status == 200

    def test_another_charset_and_a_packed_body_are_refused(self) -> None:
        latin = request("PUT", "/api/v1/things/7", body=b"{}", content_type="application/json; charset=latin-1")
        packed = request("PUT", "/api/v1/things/7", body=b"{}", content_encoding="gzip")
        assert (answered(latin).status, answered(packed).status) == (415, 415)

    def test_a_declared_body_counts_even_before_it_is_read(self) -> None:
        declared = {"content_length": "5", "content_type": "text/plain"}
        assert answered(request("PUT", "/api/v1/things/7", **declared)).status == 415
        assert answered(request("PUT", "/api/v1/things/7", transfer_encoding="chunked")).status == 415

    def test_without_a_body_nothing_is_asked_of_its_type(self) -> None:
        asked = request("POST", "/api/v1/act", content_length="0", content_type="text/plain")
        assert answered(asked).status == 200

    def test_what_is_wrong_with_the_json_is_said_with_its_place(self) -> None:
        response = answered(request("PUT", "/api/v1/things/7", body=b'{\n  "a": nope }'))
        assert response.status == 400
        assert "line 2 column 8" in error(response)

    @pytest.mark.parametrize("body", [b"\xff", b'"\xed\xa0\x80"', b"NaN", b"{'a': 1}", b"[1,]", b"[" * 5000])
    def test_what_only_looks_like_json_is_refused(self, body: bytes) -> None:
        assert answered(request("PUT", "/api/v1/things/7", body=body)).status == 400

    def test_the_limit_is_256_kb(self) -> None:
        fits, too_large = b'"' + b"a" * (256 * 1024 - 2) + b'"', b'"' + b"a" * (256 * 1024 - 1) + b'"'
        assert answered(request("PUT", "/api/v1/things/7", body=fits)).status == 200
        assert answered(request("PUT", "/api/v1/things/7", body=too_large)).status == 413

    def test_a_content_length_that_is_no_number_is_refused(self) -> None:
        assert answered(request("PUT", "/api/v1/things/7", body=b"{}", content_length="-1")).status == 400

    def test_type_size_and_json_are_checked_before_anybody_is_asked_who_they_are(self) -> None:
        anonymous = request("PUT", "/api/v1/things/7", body=b"{", authorization="")
        assert answered(anonymous).status == 400

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b"{}", "`action` is missing."),
            (b"[]", "The body must be an object."),
            (b'{"action": 1}', "`action` must be a string, one of: skip-current,"),
            (b'{"action": "sleep"}', "`action` must be one of: skip-current,"),
            (b'{"action": "snooze", "days": 0}', "`days` must be more than 0 and at most 365."),
            (b'{"action": "snooze", "days": 366}', "`days` must be more than 0 and at most 365."),
            (b'{"minAgeDays": 0, "action": "clear"}', "`minAgeDays` must be at least 1 and at most 365."),
            (b'{"action": "remove-skip", "value": ""}', "`value` must not be empty."),
        ],
    )
    def test_the_schema_names_the_member_and_what_is_allowed(self, body: bytes, message: str) -> None:
        response = answered(request("POST", "/api/v1/things/7", body=body))
        assert response.status == 400
        assert error(response).startswith(message)

    def test_a_missing_body_is_an_empty_one(self) -> None:
        assert error(answered(request("POST", "/api/v1/things/7"))) == "`action` is missing."


class TestConditionalRequests:
    """ETag and If-None-Match."""

    def test_a_body_has_a_weak_etag_that_changes_with_it(self) -> None:
        one, same, other = (answered(request("GET", f"/api/v1/things/{name}")).header("ETag") for name in "112")
        assert one is not None
        assert one.startswith('W/"')
        assert one == same != other

    def test_what_the_client_has_is_not_sent_again(self) -> None:
        etag = answered(request("GET", "/api/v1/large")).header("ETag")
        for known in (etag, f'"x", {etag}', f"{etag}".removeprefix("W/"), "*"):
            response = answered(request("GET", "/api/v1/large", if_none_match=str(known)))
            assert (response.status, response.body) == (304, b"")
            assert response.header("ETag") == etag
            assert response.header("Content-Type") is None

    def test_what_has_changed_is_sent(self) -> None:
        assert answered(request("GET", "/api/v1/large", if_none_match='W/"old"')).status == 200

    def test_an_error_is_told_every_time(self) -> None:
        response = answered(request("GET", "/api/v1/fail/NotFound", if_none_match="*"))
        assert (response.status, response.header("ETag")) == (404, None)

    def test_only_reading_is_conditional(self) -> None:
        assert answered(request("PUT", "/api/v1/things/7", body=b"{}", if_none_match="*")).status == 200


class TestCompression:
    """gzip, where it is wanted and worth it."""

    @pytest.mark.parametrize("wish", ["gzip", "GZIP", "br, gzip;q=0.5", "*", "deflate;q=1, *;q=0.1", "gzip;q=1.0"])
    def test_a_large_body_is_compressed_for_those_who_want_it(self, wish: str) -> None:
        plain, packed = (answered(request("GET", "/api/v1/large", accept_encoding=a)) for a in ("", wish))
        assert packed.header("Content-Encoding") == "gzip"
        assert isinstance(packed.body, bytes)
        assert gzip.decompress(packed.body) == plain.body
        assert packed.header("ETag") == plain.header("ETag")

    @pytest.mark.parametrize("wish", ["", "br", "gzip;q=0", "*;q=0", "gzip;q=0, *", "identity, gzip;q=0.5", "gzip;q=x"])
    def test_those_who_do_not_want_it_get_it_plain(self, wish: str) -> None:
        response = answered(request("GET", "/api/v1/large", accept_encoding=wish))
        assert response.header("Content-Encoding") is None
        assert response.header("Vary") == "Accept-Encoding"

    @pytest.mark.parametrize("path", ["/api/v1/things/7", "/api/v1/stream", "/api/v1/file"])
    def test_small_bodies_streams_and_binaries_stay_as_they_are(self, path: str) -> None:
        assert answered(request("GET", path, accept_encoding="gzip")).header("Content-Encoding") is None

    def test_it_can_be_switched_off_or_begin_later(self) -> None:
        for settings in (settings_with(compression=False), settings_with(compression_threshold=1 << 20)):
            response = answered(request("GET", "/api/v1/large", accept_encoding="gzip"), FakeServices(settings))
            assert response.header("Content-Encoding") is None


class TestHeaders:
    """What every answer carries."""

    @pytest.mark.parametrize("path", ["/api/v1/things/7", "/api/v1/nowhere", "/api/v1/fail/bug", "/api/v1/stream"])
    def test_every_answer_carries_the_security_headers(self, path: str) -> None:
        response = answered(request("GET", path))
        assert "default-src 'self'" in str(response.header("Content-Security-Policy"))
        assert response.header("X-Content-Type-Options") == "nosniff"
        assert response.header("Cross-Origin-Embedder-Policy") == "require-corp"
        assert response.header("Referrer-Policy") == "same-origin"
        assert response.header("Permissions-Policy") is not None
        assert response.header("Strict-Transport-Security") is None

    def test_transport_security_is_promised_behind_tls_only(self) -> None:
        asked = request("GET", "/api/v1/things/7")
        secure = Request(method="GET", path=asked.path, headers=asked.headers, scheme="https")
        assert answered(secure).header("Strict-Transport-Security") is not None

    def test_what_is_behind_a_login_is_never_kept(self) -> None:
        response = answered(request("GET", "/api/v1/things/7"))
        assert response.header("Cache-Control") == "no-store, no-cache, must-revalidate, proxy-revalidate"
        assert (response.header("Expires"), response.header("Surrogate-Control")) == ("0", "no-store")

    def test_without_cors_other_origins_are_told_nothing(self) -> None:
        response = answered(request("GET", "/api/v1/things/7", origin="https://cards.test"))
        assert response.header("Access-Control-Allow-Origin") is None

    def test_with_cors_a_listed_origin_may_read_and_another_may_not(self) -> None:
        services = FakeServices(settings_with(cors_enabled=True, cors_origin="https://a.test, https://b.test"))
        for origin, allowed in (("https://b.test", "https://b.test"), ("https://c.test", None)):
            response = answered(request("GET", "/api/v1/things/7", origin=origin), services)
            assert response.header("Access-Control-Allow-Origin") == allowed
            assert ("Vary", "Origin") in response.headers

    def test_a_preflight_is_answered_before_anybody_logs_in(self) -> None:
        services = FakeServices(settings_with(cors_enabled=True))
        asked = {"origin": "https://a.test", "access_control_request_method": "POST", "authorization": ""}
        response = answered(request("OPTIONS", "/api/v1/act", **asked), services)
        assert response.status == 204
        assert response.header("Access-Control-Allow-Origin") == "*"
        assert "POST" in str(response.header("Access-Control-Allow-Methods"))
        assert "Authorization" in str(response.header("Access-Control-Allow-Headers"))


def test_the_table_refuses_a_row_twice() -> None:
    from handlers.paths import Paths
    from tests.builders.routes import TABLE

    with pytest.raises(ValueError, match="twice"):
        Paths([*TABLE, TABLE[0]])
