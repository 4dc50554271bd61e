"""What every WebSocket's door does with the upgrade: read it, refuse it, and notice the end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from handlers.http import Request, Response
from local_runtime.server.door import request_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def upgrade_of(scope: Scope, *, trust_proxy: bool) -> Request:
    """The neutral request of an upgrade."""
    request = request_of({**scope, "method": "GET"}, b"", trust_proxy=trust_proxy)
    scheme = {"ws": "http", "wss": "https"}.get(request.scheme, request.scheme)
    return replace(request, scheme=scheme, path_params=scope["path_params"])


def executors_url(scope: Scope, configured: str | None) -> str:
    """Where executors reach this server: as configured, else where this viewer's connection came in."""
    if configured:
        return configured
    host, port = scope["server"]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def refuse(send: Send, response: Response) -> None:
    """Answer with plain HTTP."""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers]
    assert isinstance(response.body, bytes)
    await send({"type": "websocket.http.response.start", "status": response.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": response.body})


async def until_gone(receive: Receive) -> None:
    """Ignore what is said until the connection is over."""
    while (await receive())["type"] != "websocket.disconnect":
        pass
