"""The FastAPI application on AWS Lambda, through Mangum: proves that the doors are alike; Chalice is what we deploy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mangum import Mangum

from chalicelib.ports.services import Services
from handlers.gateway import STREAM_SECONDS
from handlers.paths import Paths
from local_runtime.server.application import build_app

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def lambda_handler_over(services: Services, paths: Paths | None = None) -> Mangum:
    """A Lambda handler for API Gateway's REST events."""
    return Mangum(_WithRawPath(build_app(services, paths, stream_seconds=STREAM_SECONDS)), lifespan="off")


class _WithRawPath:
    """Mangum decodes the path and forgets how it was sent; the event still knows."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        event: dict[str, Any] = scope["aws.event"]
        await self._app({**scope, "raw_path": event["path"].encode()}, receive, send)
