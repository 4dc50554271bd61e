"""API Gateway's events, read and answered."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from handlers.gateway import MOST_BYTES, STREAM_SECONDS, request_of, response_parts
from handlers.http import Response
from tests.builders.requests import event


def test_headers_that_come_more_than_once_are_joined_as_http_says() -> None:
    asked = event("GET", "/x")
    asked["multiValueHeaders"] |= {"Cookie": ["a=1", "b=2"], "X-DD-Confirm-Action": ["one", "two"]}
    headers = request_of(asked).headers
    assert (headers["cookie"], headers["x-dd-confirm-action"]) == ("a=1; b=2", "one, two")


def test_an_event_with_single_headers_and_nothing_else_is_understood() -> None:
    asked = event("GET", "/x") | {"multiValueHeaders": None, "multiValueQueryStringParameters": None, "body": None}
    request = request_of(asked)
    assert (request.headers["host"], request.query, request.body) == ("slipway.test", {}, b"")
    assert (request.client, request.scheme, request.host, request.id) == (
        "192.0.2.7",
        "https",
        "slipway.test",
        "request-1",
    )


def test_a_stream_is_told_how_long_it_may_last() -> None:
    assert request_of(event("GET", "/x")).stream_seconds == STREAM_SECONDS < 29, "API Gateway's own limit"


@pytest.mark.parametrize(
    ("encoding", "advice"), [((), "accept gzip"), ((("Content-Encoding", "gzip"),), "less of it.")]
)
def test_what_lambda_would_not_let_through_is_refused_in_words(
    encoding: tuple[tuple[str, str], ...], advice: str
) -> None:
    headers = (("Content-Type", "text/plain"), *encoding, ("Content-Disposition", "attachment"), ("Vary", "*"))
    large = Response(200, b"x" * (MOST_BYTES + 1), headers)
    status, kept, body = response_parts(large)
    assert (status, kept) == (413, {"Content-Type": "application/json; charset=utf-8", "Vary": "*"})
    assert json.loads(body)["error"].endswith(f"{advice}" if encoding else f"or {advice}.")
    assert response_parts(replace(large, body=b"x" * MOST_BYTES))[0] == 200
    assert len(base64.b64encode(b"x" * MOST_BYTES)) + 100_000 < 6 * 1024 * 1024


def test_a_stream_is_drained_and_repeated_headers_become_lists() -> None:
    response = Response(201, iter([b"a", b"b"]), (("Set-Cookie", "a"), ("X", "1"), ("Set-Cookie", "b")))
    assert response_parts(response) == (201, {"Set-Cookie": ["a", "b"], "X": "1"}, b"ab")
