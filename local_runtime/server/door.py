"""HttpDoor: ASGI requests to dispatch and its responses back; handlers run in threads."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote

import anyio
import anyio.to_thread

from chalicelib.ports.services import Services
from handlers.body import API_LIMIT
from handlers.dispatch import dispatch, table
from handlers.http import Request
from handlers.paths import Paths

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HANDLER_THREADS = 32
WAITING_THREADS = 128
STREAM_THREADS = 256


class HttpDoor:
    """An ASGI application that answers every HTTP request from the route table."""

    def __init__(self, services: Services, paths: Paths | None = None, *, stream_seconds: float | None = None) -> None:
        self._services = services
        self._stream_seconds = stream_seconds
        self._paths = paths or table()
        self._handlers = anyio.CapacityLimiter(HANDLER_THREADS)
        # Handlers that wait for a host, and streams, have threads of their own: they must not hold up a list.
        self._waiting = anyio.CapacityLimiter(WAITING_THREADS)
        self._streams = anyio.CapacityLimiter(STREAM_THREADS)
        self._open: set[anyio.CancelScope] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body, whole = await _read_body(receive)
        request = request_of(scope, body, trust_proxy=self._services.settings.trust_proxy)
        if self._stream_seconds is not None:
            request = replace(request, stream_seconds=self._stream_seconds)
        limiter = self._waiting if self._waits(request) else self._handlers
        response = await anyio.to_thread.run_sync(dispatch, request, self._services, self._paths, limiter=limiter)
        headers = _encoded(response.headers)
        if not whole:
            headers.append((b"connection", b"close"))
        if isinstance(response.body, bytes):
            if response.status not in (204, 304) and response.header("content-length") is None:
                headers.append((b"content-length", str(len(response.body)).encode()))
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await send({"type": "http.response.body", "body": response.body})
        else:
            await send({"type": "http.response.start", "status": response.status, "headers": headers})
            await self._stream(response.body, receive, send)

    def _waits(self, request: Request) -> bool:
        match = self._paths.match(request.path)
        route = match.route(request.method) if match else None
        return route is not None and route.waits

    def end_streams(self) -> None:
        """End every stream under way: the server stops."""
        for scope in tuple(self._open):
            scope.cancel()

    async def _stream(self, body: Iterator[bytes], receive: Receive, send: Send) -> None:
        gone = False
        async with anyio.create_task_group() as group:
            self._open.add(group.cancel_scope)

            async def leave_with_the_client() -> None:
                nonlocal gone
                while (await receive())["type"] != "http.disconnect":
                    pass
                gone = True
                group.cancel_scope.cancel()

            group.start_soon(leave_with_the_client)
            try:
                async for chunk in self._chunks(body):
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            finally:
                self._open.discard(group.cancel_scope)
                group.cancel_scope.cancel()
        if not gone:
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, body: Iterator[bytes]) -> AsyncIterator[bytes]:
        # A step that is under way when the client leaves is abandoned: it ends by itself, and nobody holds the
        # iterator then, so its `finally` runs.
        while True:
            chunk = await anyio.to_thread.run_sync(next, body, None, limiter=self._streams, abandon_on_cancel=True)
            if chunk is None:
                return
            yield chunk


async def _read_body(receive: Receive) -> tuple[bytes, bool]:
    """The body, and whether that is all of it: what goes beyond the largest limit is left unread."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        if chunk:
            chunks.append(chunk)
            size += len(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks), True
        if size > API_LIMIT:
            return b"".join(chunks), False


def request_of(scope: Scope, body: bytes, *, trust_proxy: bool) -> Request:
    """The neutral request; `X-Forwarded-*` counts only behind a proxy we are told to trust."""
    headers = joined((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    client = scope["client"][0] if scope.get("client") else ""
    scheme, host = str(scope["scheme"]), headers.get("host", "")
    if trust_proxy:
        # The nearest proxy appends: only the last address is its own word.
        client = headers.get("x-forwarded-for", client).rpartition(",")[2].strip()
        scheme = headers.get("x-forwarded-proto", scheme).rpartition(",")[2].strip()
        host = headers.get("x-forwarded-host", host).rpartition(",")[2].strip()
    raw_path = scope.get("raw_path")
    return Request(
        method=scope["method"],
        path=raw_path.decode("latin-1") if raw_path else quote(scope["path"]),
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers=headers,
        body=body,
        client=client or "",
        scheme=scheme,
        host=host,
        id=uuid.uuid4().hex,
    )


def joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; those that came more than once are joined as HTTP says."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        name = name.lower()
        if name in headers:
            value = f"{headers[name]}{'; ' if name == 'cookie' else ', '}{value}"
        headers[name] = value
    return headers


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers]
