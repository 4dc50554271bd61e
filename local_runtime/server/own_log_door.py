"""OwnLogDoor: the WebSocket on which somebody follows Slipway's own log."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from chalicelib.domain.connection import TOO_SLOW, Connection
from chalicelib.domain.errors import Invalid, Unavailable
from chalicelib.domain.log_entry import EntryQuery, LogEntry
from chalicelib.ports.services import Services
from chalicelib.wire import log_ring as wire
from handlers import own_log
from handlers.http import Request
from handlers.streaming import refusal
from local_runtime.server.connections import OpenConnection, OpenConnections
from local_runtime.server.log_socket import EXTENSION, LogSocket
from local_runtime.server.upgrade import executors_url, refuse, until_gone, upgrade_of

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LOOK_SECONDS = 1.0
TAKE_SECONDS = 10.0
THREADS = 8
POLICY_VIOLATION = 1008


class OwnLogDoor:
    """An ASGI application for WebSockets. The server sends what it logs itself; executors post theirs."""

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
        try:
            query = wire.query(request.query)
        except Invalid as error:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": str(error)[:120]})
            return
        url = executors_url(scope, self._services.settings.connections_url)
        lines = Lines(scope["extensions"][EXTENSION], url, self._connections)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._tell, request, query, lines)
                await until_gone(receive)
                group.cancel_scope.cancel()
        finally:
            lines.close()

    async def _tell(self, request: Request, query: EntryQuery, lines: Lines) -> None:
        """The last entries of all in their order, then each new one as it comes."""
        entries: Sequence[LogEntry] = wire.RING.entries()
        with suppress(Unavailable):
            entries = await self._in_thread(own_log.collect, request, self._services)
        told: dict[str, int] = {}
        while True:
            chosen = query.choose(entry for entry in entries if entry.number > told.get(entry.source, 0))
            for entry in entries:
                told[entry.source] = max(told.get(entry.source, 0), entry.number)
            if not await lines.send(chosen):
                return
            query = replace(query, tail=wire.KEPT)
            with suppress(Unavailable):
                for agent, life in await self._in_thread(own_log.present, request, self._services):
                    await self._tell_executor(agent, life, request, query, told, lines)
            await anyio.sleep(LOOK_SECONDS)
            entries = wire.RING.entries()

    async def _tell_executor(
        self, agent: str, life: str, request: Request, query: EntryQuery, told: Mapping[str, int], lines: Lines
    ) -> None:
        """Order its log unless it posts already; the wake-up of one that has only just come back may be lost."""
        connection = lines.missing(agent, life)
        if connection is None:
            await self._in_thread(lines.remind, agent)
            return
        quiet = lines.quiet(agent)
        if quiet is not None:
            query = replace(query, since=self._services.clock.now() - quiet)
        begin = own_log.begin, agent, query, connection, dict(told), request, self._services
        lines.reminders[agent] = await self._in_thread(*begin)

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads, abandon_on_cancel=True)


class Lines:
    """One viewer's socket, and under an id of its own the line of each executor that posts to it."""

    def __init__(self, socket: LogSocket, url: str, connections: OpenConnections) -> None:
        self._socket = socket
        self._url = url
        self.reminders: dict[str, Callable[[], None]] = {}
        self._connections = connections
        self._open: dict[str, tuple[str, OpenConnection, str]] = {}
        self._heard: dict[str, float] = {}
        """When, by `time.monotonic`, each was last heard of on a line given up."""

    async def send(self, entries: Sequence[LogEntry]) -> bool:
        """Send them; False when the viewer takes nothing and was let go."""
        if not entries or await self._socket.send_all(wire.frames(entries).splitlines(), TAKE_SECONDS):
            return True
        self._socket.end(TOO_SLOW, "The viewer is too slow")
        return False

    def missing(self, agent: str, life: str) -> Connection | None:
        """A new line for this life of the agent's executor, unless it has one and is heard of on it."""
        known = self._open.get(agent)
        if known is not None:
            connection_id, connection, former = known
            if former == life and not connection.silent:
                return None
            if connection.heard:
                self._heard[agent] = time.monotonic() - connection.quiet
            self._connections.remove(connection_id)
        connection_id, connection = self._connections.add(self._socket)
        self._open[agent] = connection_id, connection, life
        return self._connections.named(connection_id, self._url)

    def remind(self, agent: str) -> None:
        """Wake the executor again as long as it has not been heard of on its line."""
        _, connection, _ = self._open[agent]
        if not connection.heard and agent in self.reminders:
            self.reminders[agent]()

    def quiet(self, agent: str) -> timedelta | None:
        """How long an agent whose former line was given up has not been heard of."""
        heard = self._heard.get(agent)
        return None if heard is None else timedelta(seconds=time.monotonic() - heard)

    def close(self) -> None:
        """The viewer has left: executors are told when they ask."""
        for connection_id, _, _ in self._open.values():
            self._connections.remove(connection_id)
