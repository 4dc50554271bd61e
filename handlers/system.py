"""What Slipway says of itself: health, name and version, and its own description."""

from __future__ import annotations

from functools import cache

from chalicelib.ports.services import Services
from chalicelib.wire import json
from handlers.http import HTML, Request, Response

NAME = "slipway"


def health(_request: Request, services: Services) -> object:
    """How long this process has been up, in seconds."""
    return {"uptime": round((services.clock.now() - services.started_at).total_seconds(), 3)}


def app(_request: Request, services: Services) -> object:
    """Name and version."""
    return {"name": NAME, "version": services.settings.version}


def openapi(_request: Request, services: Services) -> Response:
    """The OpenAPI document."""
    return Response(body=_document(services.settings.version))


def docs(_request: Request, services: Services) -> Response:
    """The OpenAPI document as a page to read."""
    from handlers.docs_page import render

    page, policy = render(services.settings.version)
    return Response(body=page, headers=(("Content-Security-Policy", policy),), media_type=HTML)


@cache
def _document(version: str) -> bytes:
    from handlers.openapi import build

    return json.dumps(build(version))
