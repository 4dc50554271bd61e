"""OwnLogDoor: the WebSocket on which somebody follows Slipway's own log."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from chalicelib.domain.errors import Invalid, Unavailable
from chalicelib.domain.log_entry import EntryQuery
from chalicelib.ports.services import Services
from chalicelib.wire import json
from chalicelib.wire import log_ring as wire
from handlers.http import Request
from handlers.own_log import collect
from handlers.streaming import refusal
from local_runtime.server.upgrade import refuse, until_gone, upgrade_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LOOK_SECONDS = 2.0
THREADS = 8
POLICY_VIOLATION = 1008


class OwnLogDoor:
    """An ASGI application for WebSockets. Executors are asked as long as somebody looks."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._threads = anyio.CapacityLimiter(THREADS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one viewer from its upgrade to its end."""
        request = upgrade_of(scope, trust_proxy=self._services.settings.trust_proxy)
        await receive()
        refused = await anyio.to_thread.run_sync(refusal, request, self._services, limiter=self._threads)
        if refused is not None:
            await refuse(send, refused)
            return
        await send({"type": "websocket.accept"})
        try:
            query = wire.query(request.query)
        except Invalid as error:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": str(error)[:120]})
            return
        async with anyio.create_task_group() as group:
            group.start_soon(self._tell, request, query, send)
            await until_gone(receive)
            group.cancel_scope.cancel()

    async def _tell(self, request: Request, query: EntryQuery, send: Send) -> None:
        """The last entries, then each new one."""
        told: dict[str, int] = {}
        while True:
            try:
                entries = await anyio.to_thread.run_sync(
                    collect, request, self._services, limiter=self._threads, abandon_on_cancel=True
                )
            except Unavailable:
                entries = []
            for entry in query.choose(entry for entry in entries if entry.number > told.get(entry.source, 0)):
                await send({"type": "websocket.send", "text": json.dumps(wire.write(entry)).decode()})
            for entry in entries:
                told[entry.source] = max(told.get(entry.source, 0), entry.number)
            query = replace(query, tail=wire.KEPT)
            await anyio.sleep(LOOK_SECONDS)
