"""LogDoor: the WebSocket on which a viewer follows a container's log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.routing import BaseRoute, Route, WebSocketRoute

from chalicelib.domain.connection import BROKEN, Ended
from chalicelib.ports.services import Services
from handlers.streaming import begin_logs, refusal
from local_runtime.server.connections import PATH, OpenConnection, OpenConnections
from local_runtime.server.log_socket import EXTENSION
from local_runtime.server.own_log_door import OwnLogDoor
from local_runtime.server.upgrade import executors_url, refuse, until_gone, upgrade_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

THREADS = 32
LOOK_SECONDS = 1.0
OWN_LOG_PATH = "/api/v1/log/stream"
STREAM_PATHS = ("/api/v1/containers/{id}/logs/stream", "/api/containers/{id}/logs/stream")


def stream_routes(services: Services) -> Sequence[BaseRoute]:
    """The rows of FastAPI's own router: the stream, and the calls of executors about it."""
    connections = OpenConnections()
    door = LogDoor(services, connections)
    calls = Route(PATH, endpoint=connections, methods=["GET", "POST", "DELETE"], include_in_schema=False)
    own = WebSocketRoute(OWN_LOG_PATH, endpoint=OwnLogDoor(services, connections))
    return [*(WebSocketRoute(path, endpoint=door) for path in STREAM_PATHS), own, calls]


class LogDoor:
    """An ASGI application for WebSockets."""

    def __init__(self, services: Services, connections: OpenConnections) -> None:
        self._services = services
        self._connections = connections
        self._threads = anyio.CapacityLimiter(THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer from its upgrade to its end."""
        request = upgrade_of(scope, trust_proxy=self._services.settings.trust_proxy)
        await receive()
        refused = await self._in_thread(refusal, request, self._services)
        if refused is not None:
            await refuse(send, refused)
            return
        await send({"type": "websocket.accept"})
        connection_id, connection = self._connections.add(scope["extensions"][EXTENSION])
        try:
            target = self._connections.named(
                connection_id, executors_url(scope, self._services.settings.connections_url)
            )
            begin = begin_logs, scope["path_params"]["id"], request, self._services, target
            remind = await self._in_thread(*begin)
            await self._until_gone(connection, receive, remind)
        except Ended as ended:
            connection.end(ended.code, str(ended))
            await until_gone(receive)
        finally:
            self._connections.remove(connection_id)

    async def _until_gone(self, connection: OpenConnection, receive: Receive, remind: Callable[[], None]) -> None:
        """What viewers send is ignored. An executor that falls silent is dead, and its viewers are told.

        The wake-up of one that has only just come back may have gone to its predecessor: it is sent again.
        """
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                while not connection.silent:
                    await anyio.sleep(LOOK_SECONDS)
                    if not connection.heard:
                        await self._in_thread(remind)
                connection.end(BROKEN, "The executor does not answer")

            group.start_soon(watch)
            await until_gone(receive)
            group.cancel_scope.cancel()

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads)
