"""The FastAPI application: the route table's rows, our OpenAPI document, and a guard for open servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from chalicelib.ports.services import Services
from handlers.dispatch import table
from handlers.openapi import build
from handlers.paths import Paths
from local_runtime.server.door import HttpDoor
from local_runtime.server.host_guard import HostGuard
from local_runtime.server.log_door import stream_routes

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def build_app(
    services: Services, paths: Paths | None = None, *, loopback: bool = False, stream_seconds: float | None = None
) -> FastAPI:
    """The application over these services; `loopback` says that it is bound to this machine only.

    `stream_seconds` bounds streams where the host drains them instead of streaming.

    Everything the table holds, and every 404 and 405, is answered by dispatch: it gets each HTTP request that FastAPI's
    own routes do not take. Those are of another kind (WebSockets, files).
    """
    api = FastAPI(title="Slipway", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    door = HttpDoor(services, paths or table(), stream_seconds=stream_seconds)
    api.state.door = door
    api.router.routes.extend(stream_routes(services))
    refuse = api.router.default

    async def otherwise(scope: Scope, receive: Receive, send: Send) -> None:
        # A route for all paths would not do: its pattern stops at a line break, and a path may hold one.
        await (door if scope["type"] == "http" else refuse)(scope, receive, send)

    api.router.default = otherwise

    def document() -> dict[str, Any]:
        return build(services.settings.version)

    api.openapi = document  # type: ignore[method-assign]
    if loopback and services.settings.anonymous:
        api.add_middleware(HostGuard)
    return api
