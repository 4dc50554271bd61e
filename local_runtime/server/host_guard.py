"""HostGuard: an open server on a loopback address answers under a loopback name only.

Without it any web site could point its own name at 127.0.0.1 and have a visitor's browser talk to us (DNS rebinding).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chalicelib.domain.host_name import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_REFUSAL = b'{"error":"This server is open on this machine only. Use http://localhost or http://127.0.0.1."}'


class HostGuard:
    """Answers 403, or refuses the WebSocket, when the Host header is no loopback name."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let it pass, or not."""
        if scope["type"] == "lifespan" or is_loopback(_host(scope)):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            headers = [
                (b"content-type", b"application/json; charset=utf-8"),
                (b"content-length", b"%d" % len(_REFUSAL)),
            ]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSAL})


def _host(scope: Scope) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
