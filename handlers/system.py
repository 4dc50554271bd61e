"""What Slipway says of itself: health, name and version, and its own description."""

from __future__ import annotations

from functools import cache

from chalicelib.domain.environment import without_user_info
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


def server(_request: Request, services: Services) -> object:
    """How the server is set up, without a secret."""
    settings = services.settings
    configuration = {
        "feature": {name: name in settings.features for name in ("containeractions", "delete", "webhook")},
        "webhook": {"enabled": settings.webhook.enabled},
        "cors": {"enabled": settings.cors_enabled, "origin": settings.cors_origin, "methods": settings.cors_methods},
        "compression": {"enabled": settings.compression, "threshold": settings.compression_threshold},
        "ratelimit": {"max": settings.rate_limit_max, "identitykeying": settings.rate_limit_by_identity},
        "cookie": {"samesite": settings.cookie_samesite},
        "metrics": {"auth": settings.metrics_auth, "token": settings.metrics_token is not None},
        "trustproxy": settings.trust_proxy,
        "compat": {"wud": settings.compat_wud},
        "command": {"wait": {"seconds": settings.command_wait_seconds}},
    }
    return {"configuration": configuration, "compatibility": {"legacyInputs": {"total": 0}}}


def store(_request: Request, services: Services) -> object:
    """Where things are kept: DynamoDB's address, and what its tables' names begin with."""
    settings = services.settings
    address = settings.dynamodb_url or f"https://dynamodb.{settings.region}.amazonaws.com"
    return {"configuration": {"path": without_user_info(address), "file": settings.table_prefix}}


def log(_request: Request, services: Services) -> object:
    """How much is logged."""
    return {"level": services.settings.log_level}


def openapi(_request: Request, services: Services) -> Response:
    """The OpenAPI document."""
    return Response(body=_document(services.settings.version))


def home(_request: Request, _services: Services) -> Response:
    """To the page that tells what is here: browsers that know the host alone come here, and so do OIDC log-ins."""
    # Relative, since API Gateway puts its stage in front of every path.
    return Response(302, headers=(("Location", "api/v1/docs"),), media_type=None)


def docs(_request: Request, services: Services) -> Response:
    """The OpenAPI document as a page to read."""
    from handlers.docs_page import render

    page, policy = render(services.settings.version)
    return Response(body=page, headers=(("Content-Security-Policy", policy),), media_type=HTML)


@cache
def _document(version: str) -> bytes:
    from handlers.openapi import build

    return json.dumps(build(version))
