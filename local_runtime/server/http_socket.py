"""HttpSocket: uvicorn's HTTP, with bounds on how much may come before it is a request, on how long it and its answer
may take, and on how many connections there are."""

from __future__ import annotations

import logging
import time
from asyncio import TimerHandle, Transport
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from local_runtime.server.places import Place, Places

HEAD_LIMIT = 64 * 1024
MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes on the wire: a body in chunks of single bytes takes six times its size."""
REQUEST_SECONDS = 60.0
"""How long a request may take to arrive, and a new connection to say anything."""
LINGER_SECONDS = 1.0
STALL_SECONDS = 30.0
"""How long a client may take nothing at all of its answer."""
UNBOUNDED = Places(1_000_000, shared=True)


class _TooLarge(Exception):
    pass


class HttpSocket(HttpToolsProtocol):
    """The protocol of every HTTP connection of ours. Trailers count for nothing: no proxy in front has judged them."""

    _in_head = True
    _under_way = False
    _too_large = False
    _refused = False
    _size = 0
    _deadline: TimerHandle | None = None
    _stalled: TimerHandle | None = None
    _place: Place | None = None

    def __init__(self, *arguments: Any, places: Places = UNBOUNDED, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._places = places

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request, if there is a place."""
        super().connection_made(transport)
        self._place = self._places.take(self.client[0] if self.client else "", transport)
        if self._place is None:
            transport.write(STATUS_LINE[503] + b"retry-after: 5\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._refused = True
            transport.close()
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        self.resume_writing()
        if self._place is not None:
            self._places.leave(self._place)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client is slower than we are: see to it that it takes something at least."""
        super().pause_writing()
        self._look_again(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has taken what there was."""
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """The answer is given: from now on the connection is idle, unless more was asked meanwhile."""
        super().on_response_complete()
        if self._place is not None and self.cycle.response_complete:
            self._places.idle(self._place)

    def data_received(self, data: bytes) -> None:
        """Read on, unless it is too much already."""
        if self._refused:
            return
        if self._deadline is None:
            self._wait()
        super().data_received(data)
        self._size += len(data)
        if self._refused or self.transport.is_closing():
            return
        if self._in_head and self._size > HEAD_LIMIT:
            self._refuse_head()
        elif self._under_way and self._size > MESSAGE_LIMIT:
            self.transport.abort()

    def on_message_begin(self) -> None:
        """A request begins: it has its time from now."""
        super().on_message_begin()
        self._in_head, self._under_way, self._size = True, True, 0
        self._wait()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, but no trailer."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole; raises when it is too large, which the parser reports as it does bad requests."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_LIMIT:
            self._too_large = True
            raise _TooLarge
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._under_way, self._size = False, 0
        self._wait_no_more()
        self._busy()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request; one with too large a head gets 431."""
        if self._too_large:
            self._refuse_head()
        else:
            super().send_400_response(msg)

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over: its new protocol keeps the time itself."""
        self._wait_no_more()
        self._busy()
        super().handle_websocket_upgrade()

    def _refuse_head(self) -> None:
        # Closed at once, with more of the head still coming, the answer would be lost on its way.
        self._refused = True
        self.transport.write(STATUS_LINE[431] + b"content-length: 0\r\nconnection: close\r\n\r\n")
        self._wait_no_more()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _busy(self) -> None:
        if self._place is not None:
            self._places.busy(self._place)

    def _look_again(self, left: int) -> None:
        self._stalled = self.loop.call_later(STALL_SECONDS, self._unless_taken, left)

    def _unless_taken(self, left: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now < left:
            self._look_again(now)
        else:
            self.transport.abort()

    def _wait(self) -> None:
        self._wait_no_more()
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._late)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _late(self) -> None:
        self._deadline = None
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.flow.read_paused or (answering and not self._under_way):
            # It is we who take the time: what comes behind a request that is being answered is not read meanwhile.
            self._wait()
        elif not self.transport.is_closing():
            self.transport.abort()


class Seldom(logging.Filter):
    """Lets each text of a log through once a minute, and says how often it was meant: strangers cause it at will."""

    def __init__(self, seconds: float = 60.0) -> None:
        super().__init__()
        self._seconds = seconds
        self._told: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to write it; an error of ours always is."""
        if record.levelno >= logging.ERROR:
            return True
        now = time.monotonic()
        at, unsaid = self._told.get(str(record.msg), (now - self._seconds, 0))
        if now - at < self._seconds:
            self._told[str(record.msg)] = (at, unsaid + 1)
            return False
        self._told[str(record.msg)] = (now, 0)
        if unsaid:
            record.msg, record.args = f"{record.getMessage()} (and {unsaid} times more before)", ()
        return True
