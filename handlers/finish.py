"""The last touch on every response, in one place so that every door sends the same bytes: headers, ETag, gzip, HEAD."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import replace

from chalicelib.ports.services import Settings
from handlers import browser
from handlers.http import Headers, Request, Response
from handlers.route import Route

_GZIP_LEVEL = 4
_COMPRESSIBLE = ("text/", "application/json", "application/javascript", "application/spdx+json", "image/svg+xml")
_PRIVATE: Headers = (
    ("Cache-Control", "no-store, no-cache, must-revalidate, proxy-revalidate"),
    ("Expires", "0"),
    ("Surrogate-Control", "no-store"),
)
_PUBLIC: Headers = (("Cache-Control", "no-cache"),)


def finish(response: Response, request: Request, settings: Settings, route: Route | None) -> Response:
    """The response as it leaves: complete headers, 304 when the client has it, gzip when the client likes it."""
    standard = (*browser.SECURITY, *(browser.TRANSPORT if request.scheme == "https" else ()))
    public = route is not None and route.public and route.method == "GET" and response.header("Set-Cookie") is None
    standard += _PUBLIC if public else _PRIVATE
    own = {name.lower() for name, _ in response.headers}
    headers = (
        *response.headers,
        *(header for header in standard if header[0].lower() not in own),
        *browser.cors(request, settings),
        *((("X-Request-Id", request.id),) if request.id else ()),
    )
    if response.media_type is not None:
        headers = (("Content-Type", response.media_type), *headers)
    response = replace(response, headers=headers)
    if isinstance(response.body, bytes):
        response = _compressed(_validated(response, request), request, settings)
        if request.method == "HEAD" and isinstance(response.body, bytes):
            length = ("Content-Length", str(len(response.body)))
            response = replace(response, body=b"", headers=(*response.headers, length))
    elif request.method == "HEAD":
        response = replace(response, body=b"")
    return response


def _validated(response: Response, request: Request) -> Response:
    if response.status != 200 or request.method not in ("GET", "HEAD") or not isinstance(response.body, bytes):
        return response
    if not (response.media_type or "").startswith("application/json"):
        return response
    etag = f'W/"{hashlib.blake2b(response.body, digest_size=15).hexdigest()}"'
    headers = (*response.headers, ("ETag", etag))
    if not _knows(request.headers.get("if-none-match", ""), etag):
        return replace(response, headers=headers)
    kept = tuple(header for header in headers if header[0] != "Content-Type")
    return Response(304, headers=kept, media_type=None)


def _knows(if_none_match: str, etag: str) -> bool:
    known = {entry.strip().removeprefix("W/") for entry in if_none_match.split(",")}
    return "*" in known or etag.removeprefix("W/") in known


def _compressed(response: Response, request: Request, settings: Settings) -> Response:
    body = response.body
    if not settings.compression or not isinstance(body, bytes) or response.media_type is None:
        return response
    if not response.media_type.startswith(_COMPRESSIBLE) or response.media_type.startswith("text/event-stream"):
        return response
    response = replace(response, headers=(*response.headers, ("Vary", "Accept-Encoding")))
    if response.header("content-encoding") is not None:
        return response
    if len(body) <= settings.compression_threshold or not wants_gzip(request.headers.get("accept-encoding", "")):
        return response
    packer = zlib.compressobj(_GZIP_LEVEL, wbits=31)
    packed = packer.compress(body) + packer.flush()
    return replace(response, body=packed, headers=(*response.headers, ("Content-Encoding", "gzip")))


def wants_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header allows gzip and does not like identity better."""
    weights: dict[str, float] = {}
    for entry in accept_encoding.lower().split(","):
        coding, _, parameters = entry.partition(";")
        text = parameters.partition("q=")[2].strip() or "1"
        try:
            weights[coding.strip()] = float(text)
        except ValueError:
            weights[coding.strip()] = 0.0
    gzip = weights.get("gzip", weights.get("*", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
