"""The body of a request: its type, its size, its JSON, and the schema it must meet."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.errors import Invalid
from chalicelib.wire import json, schemas
from handlers.http import Refused, Request
from handlers.route import Route

API_LIMIT = 256 * 1024
AUTH_LIMIT = 64 * 1024
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


def read(request: Request, limit: int) -> object:
    """The parsed JSON body, `{}` when there is none.

    Raises Refused with 415 when it is not declared to be JSON, 413 beyond `limit` bytes, 400 when it is no JSON.
    """
    if request.method not in _WITH_BODY or not _has_body(request):
        return {}
    _check_type(request.headers)
    if max(len(request.body), declared_length(request.headers)) > limit:
        raise Refused(413, f"The body is too large: at most {limit // 1024} kB are read.")
    if not request.body:
        return {}
    try:
        return json.loads(request.body)
    except ValueError as error:
        raise Refused(400, f"The body is not valid JSON: {error}") from None


def check(payload: object, route: Route) -> None:
    """Raise Invalid, naming the member and what is allowed, when the payload does not meet the route's schema."""
    if route.body is not None:
        schemas.check(route.body, payload)


def declared_length(headers: Mapping[str, str]) -> int:
    """The Content-Length, 0 when there is none; raises Invalid when it is no number."""
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdigit()):
        raise Invalid("Content-Length must be a number.")
    return int(text[:18])


def _has_body(request: Request) -> bool:
    return bool(request.body) or "transfer-encoding" in request.headers or declared_length(request.headers) > 0


def _check_type(headers: Mapping[str, str]) -> None:
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    charset = parameters.lower().partition("charset=")[2].strip(' "')
    if media_type.strip().lower() != "application/json" or charset not in ("", "utf-8", "utf8"):
        raise Refused(415, "Send the body as JSON, with the header Content-Type: application/json.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "Send the body as it is, without a Content-Encoding.")
