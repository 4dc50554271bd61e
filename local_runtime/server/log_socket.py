"""LogSocket: uvicorn's WebSocket, able to send many messages in one write and to be cut when nobody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

if TYPE_CHECKING:
    from uvicorn._types import ASGISendEvent

_TEXT = 0x81
EXTENSION = "slipway.socket"
CLOSE_SECONDS = 5.0
"""How long a viewer has to take what was sent before it is cut off."""


class LogSocket(WebSocketsSansIOProtocol):
    """The protocol of every WebSocket of ours; found by its door under `EXTENSION` of the scope."""

    def handle_connect(self, event: Request) -> None:
        """Let the door find us."""
        super().handle_connect(event)
        scope = getattr(self, "scope", None)
        if scope is not None:
            scope["extensions"][EXTENSION] = self

    async def send(self, message: ASGISendEvent) -> None:
        """Send what the application says; a refusal completes the handshake as well."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and self.close_sent:
            # Else uvicorn would write of an error of ours, for every stranger who tries.
            self.handshake_complete = True

    async def send_all(self, messages: Iterable[bytes], seconds: float) -> bool:
        """Send each as a text message of its own; False when the viewer has not taken enough of them in that time."""
        try:
            await asyncio.wait_for(self.writable.wait(), seconds)
        except TimeoutError:
            return False
        if self.disconnected or self.close_sent or self.transport.is_closing():
            return True
        self.transport.write(b"".join(_framed(messages)))
        try:
            await asyncio.wait_for(self.writable.wait(), seconds)
        except TimeoutError:
            return False
        return True

    def end(self, code: int, reason: str) -> None:
        """Close, behind whatever is still being sent; a viewer that does not take it is cut off."""
        if self.close_sent or self.disconnected or self.transport.is_closing():
            return
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.conn.send_close(code, reason.encode()[:120].decode("utf-8", "ignore"))
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(CLOSE_SECONDS, self.transport.abort)

    def keepalive_timeout(self) -> None:
        """Cut off who does not answer: waiting for it to take what was sent could last for ever."""
        super().keepalive_timeout()
        self.transport.abort()


def _framed(messages: Iterable[bytes]) -> Iterator[bytes]:
    """Each as a whole, unmasked, uncompressed text frame (RFC 6455, 5.2).

    The library makes an object of every frame, which costs more than everything else on a line's way.
    """
    for message in messages:
        length = len(message)
        if length < 126:
            yield bytes((_TEXT, length))
        elif length < 65536:
            yield bytes((_TEXT, 126)) + length.to_bytes(2, "big")
        else:
            yield bytes((_TEXT, 127)) + length.to_bytes(8, "big")
        yield message
