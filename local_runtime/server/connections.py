"""The server's open WebSockets, and the calls of API Gateway's management API about them."""

from __future__ import annotations

import hmac
import secrets
import time
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from chalicelib.domain.connection import NORMAL, SILENCE_SECONDS, TOO_SLOW, Connection
from chalicelib.wire.log import read_farewell
from local_runtime.server.log_socket import LogSocket

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

PATH = "/@connections/{id}"
SECRET_HEADER = "x-slipway-secret"  # noqa: S105 - a name, no secret
NUMBER_HEADER = "x-slipway-number"
TAKE_SECONDS = 10.0
"""How long a viewer may take over what was sent to it before it is let go."""
MOST_BYTES = 64 * 1024 * 1024


class OpenConnection:
    """One viewer, as its door and its executor share it."""

    def __init__(self, socket: LogSocket) -> None:
        self.socket = socket
        self.number = 0
        self.farewell = (NORMAL, "")
        self.heard = False
        """Whether its executor has ever been heard of."""
        self._heard_at = time.monotonic()

    @property
    def silent(self) -> bool:
        """Whether its executor has not been heard of for too long."""
        return self.quiet > SILENCE_SECONDS

    @property
    def quiet(self) -> float:
        """Seconds for which its executor has not been heard of."""
        return time.monotonic() - self._heard_at

    def hear(self) -> None:
        """Its executor is there."""
        self.heard = True
        self._heard_at = time.monotonic()

    def end(self, code: int, reason: str) -> None:
        """Close it."""
        self.socket.end(code, reason)


class OpenConnections:
    """Every open connection by its id, and an ASGI application that answers calls about them.

    Like API Gateway it answers 410 for a connection that is gone. Only who knows the secret of this process is heard:
    executors are told it with the command that makes them call.
    """

    def __init__(self) -> None:
        self.secret = secrets.token_urlsafe(32)
        self._open: dict[str, OpenConnection] = {}

    def add(self, socket: LogSocket) -> tuple[str, OpenConnection]:
        """A new connection and its id, which nobody can guess."""
        connection_id = secrets.token_urlsafe(16)
        connection = OpenConnection(socket)
        self._open[connection_id] = connection
        return connection_id, connection

    def named(self, connection_id: str, url: str) -> Connection:
        """The connection as executors are told of it."""
        return Connection(connection_id, url, self.secret, many=True)

    def remove(self, connection_id: str) -> None:
        """It is gone."""
        self._open.pop(connection_id, None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one call."""
        response = await self._answer(Request(scope, receive))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if not hmac.compare_digest(request.headers.get(SECRET_HEADER, "").encode(), self.secret.encode()):
            return Response(status_code=403)
        body = await _body(request)
        connection = self._open.get(request.path_params["id"])
        if connection is None:
            return Response(status_code=410)
        connection.hear()
        if request.method == "DELETE":
            connection.end(*connection.farewell)
            return Response(status_code=204)
        if request.method == "GET":
            return Response(b"{}", media_type="application/json")
        number = int(request.headers.get(NUMBER_HEADER) or 0)
        frames = body.split(b"\n")
        farewell = read_farewell(frames[0])
        if farewell is not None:
            connection.farewell = farewell
        elif number == 0 or number > connection.number:
            connection.number = max(number, connection.number)
            if not await connection.socket.send_all((frame for frame in frames if frame), TAKE_SECONDS):
                connection.end(TOO_SLOW, "The viewer is too slow")
                return Response(status_code=410)
            connection.hear()
        return Response(status_code=200)


async def _body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        chunks.append(chunk)
        size += len(chunk)
        if size > MOST_BYTES:
            break
    return b"".join(chunks)
