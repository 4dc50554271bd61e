"""Whatever is sent, dispatch answers with one of the documented statuses, and never with an error of its own."""

from __future__ import annotations

import json
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.dispatch import dispatch, table
from handlers.http import Request, Response
from tests.builders.requests import ADA
from tests.builders.routes import PATHS
from tests.fakes.services import FakeServices

DOCUMENTED = {200, 204, 304, 400, 401, 403, 404, 405, 413, 415, 428, 429}
METHODS = st.sampled_from(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "get", ""])
# As a door hands it over: any byte, as Latin-1.
HEADER = st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
SEGMENTS = st.one_of(
    st.sampled_from(["api", "v1", "things", "7", "special", "parts", "act", "..", "", "%2e%2e", "%00", "%zz", "a%2Fb"]),
    st.text(max_size=8).map(lambda text: quote(text, errors="replace")),
    HEADER,
)
PATH = st.lists(SEGMENTS, max_size=6).map(lambda parts: "/" + "/".join(parts))
KNOWN = st.sampled_from(["/api/v1/things/7", "/api/v1/things/7/", "/api/v1/act", "/api/v1/large", "/api/v1/cookies"])
NAMES = st.sampled_from(
    [
        "authorization",
        "cookie",
        "origin",
        "referer",
        "sec-fetch-site",
        "content-type",
        "content-length",
        "transfer-encoding",
        "content-encoding",
        "accept-encoding",
        "if-none-match",
        "x-dd-confirm-action",
        "access-control-request-method",
    ]
)
VALUES = st.one_of(
    HEADER,
    st.sampled_from(
        [
            ADA,
            "Basic Og==",
            "Basic",
            "drydock.sid=",
            "drydock.sid=e30.x",
            'drydock.sid="',
            "application/json",
            "application/json; charset=",
            "99999999999999999999999",
            "gzip;q=1e999",
            "gzip;q=nan",
            "*",
            'W/"',
            "http://[::1",
            "null",
            "thing-delete",
        ]
    ),
)
BODIES = st.one_of(
    st.just(b""),
    st.binary(max_size=60),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=10)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.sampled_from(["action", "days", "kind", "value", "mode", "minAgeDays", "x"]), inner),
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode(errors="surrogatepass")),
)


def requests(paths: st.SearchStrategy[str]) -> st.SearchStrategy[Request]:
    """Requests that a door could hand over, most of them strange."""
    return st.builds(
        Request,
        method=METHODS,
        path=paths,
        query=st.dictionaries(st.text(max_size=8), st.lists(st.text(max_size=8), min_size=1, max_size=3), max_size=3),
        headers=st.dictionaries(NAMES, VALUES, max_size=6).map(lambda sent: {"authorization": ADA, **sent}),
        body=BODIES,
        client=st.sampled_from(["192.0.2.1", "::1", "fe80::1%x", "", "unknown"]),
        scheme=st.sampled_from(["http", "https"]),
        host=st.sampled_from(["slipway.test", "", "[::1]:3000"]),
    )


def check(response: Response) -> None:
    assert response.status in DOCUMENTED
    for name, value in response.headers:
        assert "\n" not in name + value
    if response.status >= 400 and response.body:
        assert isinstance(response.body, bytes)
        assert response.header("content-encoding") is None
        assert isinstance(json.loads(response.body)["error"], str)


@settings(max_examples=400, deadline=None)
@given(requests(st.one_of(PATH, KNOWN)))
def test_nothing_sent_makes_dispatch_fail(asked: Request) -> None:
    check(dispatch(asked, FakeServices(), PATHS))


@settings(max_examples=200, deadline=None)
@given(
    requests(st.sampled_from(["/health", "/api/v1/app", "/auth/login", "/auth/logout", "/auth/user", "/auth/status"]))
)
def test_nothing_sent_makes_logging_in_fail(asked: Request) -> None:
    check(dispatch(asked, FakeServices(), table()))
