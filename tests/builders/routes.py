"""A small table of routes that shows every way an endpoint can answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chalicelib.domain import errors
from handlers.guards import CompatWud, Confirm, Feature, RateLimit
from handlers.http import Request, Response
from handlers.paths import Paths
from handlers.route import Handler, Route


def route(method: str, path: str, handler: Handler, **more: Any) -> Route:
    """A row; what is not said is plain."""
    plain = {"operation_id": handler.__name__, "summary": "", "tag": "test", "responses": {200: None}}
    return Route(method, path, handler, **(plain | more))


def echo(request: Request, _services: Any) -> object:
    """What reached the handler."""
    return {
        "method": request.method,
        "params": dict(request.path_params),
        "query": {name: list(values) for name, values in request.query.items()},
        "payload": request.payload,
        "client": request.client,
        "scheme": request.scheme,
        "host": request.host,
        "caller": request.caller.name if request.caller else "",
    }


def literal(_request: Request, _services: Any) -> object:
    return {"literal": True}


def large(_request: Request, _services: Any) -> object:
    return {"text": "Größe – 大きい – " * 500}


def stream(_request: Request, _services: Any) -> Response:
    def chunks() -> Iterator[bytes]:
        for number in range(5):
            yield f"data: {number}\n\n".encode()

    return Response(body=chunks(), headers=(("X-Count", "5"),), media_type="text/event-stream")


def endless(request: Request, _services: Any) -> Response:
    """A stream that ends only when nobody reads it any more, and then writes the file it was asked to."""
    left = Path(request.query["left"][0])

    def chunks() -> Iterator[bytes]:
        try:
            while True:
                time.sleep(0.05)
                yield b": still here\n\n"
        finally:
            left.write_text("left")

    return Response(body=chunks(), media_type="text/event-stream")


def slow(request: Request, _services: Any) -> object:
    """An answer that takes its time."""
    time.sleep(float(request.query["seconds"][0]))
    return {"slow": True}


def file(_request: Request, _services: Any) -> Response:
    headers = (("Content-Disposition", 'attachment; filename="a.bin"'),)
    return Response(body=bytes(range(256)) * 8, headers=headers, media_type="application/octet-stream")


def nothing(_request: Request, _services: Any) -> Response:
    return Response(204, media_type=None)


def cookies(_request: Request, _services: Any) -> Response:
    return Response(body=b"{}", headers=(("Set-Cookie", "a=1"), ("Set-Cookie", "b=2")))


def fail(request: Request, _services: Any) -> object:
    """Raise the error the path names."""
    match request.path_params["kind"]:
        case "Conflict":
            raise errors.Conflict("An update is under way.", "op-1")
        case "Failed":
            raise errors.Failed("The candidate did not start.", "op-2")
        case "TooMany":
            raise errors.TooMany("Slow down.", 7)
        case "bug":
            raise RuntimeError("a secret detail")
        case kind:
            raise getattr(errors, kind)(f"It is {kind}: ü.")


TABLE = (
    route("GET", "/api/v1/things/{id}", echo),
    route("GET", "/api/v1/things/special", literal),
    route("GET", "/api/v1/things/special/{id}", literal),
    route("GET", "/api/v1/things/{id}/parts/{part}", echo),
    route("POST", "/api/v1/things/{id}", echo, body="UpdatePolicyRequest"),
    route("PUT", "/api/v1/things/{id}", echo),
    route("DELETE", "/api/v1/things/{id}", nothing, guards=(Confirm("thing-delete"), Feature("delete"))),
    route("GET", "/api/v1/large", large),
    route("GET", "/api/v1/stream", stream),
    route("GET", "/api/v1/endless", endless),
    route("GET", "/api/v1/slow", slow, waits=True),
    route("GET", "/api/v1/file", file),
    route("GET", "/api/v1/cookies", cookies, public=True),
    route("POST", "/api/v1/act", echo, guards=(Feature("containeractions"),)),
    route("POST", "/api/v1/reveal", echo, guards=(RateLimit("reveal", 2, 60),)),
    route("GET", "/api/v1/fail/{kind}", fail),
    route("GET", "/api/things", literal, guards=(CompatWud(),)),
)
PATHS = Paths(TABLE)
