"""The HTTP side: connections, requests and the checks that keep a web page from driving the store."""

from __future__ import annotations

import ipaddress
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol, cast

log = logging.getLogger(__name__)

BODY_LIMIT = 17 * 1024 * 1024
"""Bytes; the largest DynamoDB request (16 MB) and its JSON around it."""
LINE_LIMIT = 16 * 1024
HEADER_LIMIT = 100
CONNECTION_LIMIT = 256
IDLE_SECONDS = 300
UNPROVEN_SECONDS = 30
"""How long a connection may be silent that has not yet shown that it has the key."""


@dataclass(frozen=True, slots=True)
class Request:
    """`headers` has lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    status: int = 200
    content_type: str = "application/x-amz-json-1.0"
    headers: tuple[tuple[str, str], ...] = ()
    proven: bool = False
    """Whether the request bore a valid signature: whoever sent it may keep its connection."""


class Stream(Protocol):
    """What we use of a buffered reader."""

    def readline(self, limit: int, /) -> bytes: ...
    def read(self, size: int, /) -> bytes: ...


class BadRequest(Exception):
    """Not HTTP as we speak it; the connection ends after the answer."""

    def __init__(self, status: HTTPStatus):
        super().__init__(status.phrase)
        self.status = status


Handle = Callable[[Request], Answer]


class Door:
    """Accepts connections on `host:port` and gives each a thread, so a long poll holds up nobody else.

    Any user of the machine can connect. So connections that have not shown the key give way to new ones when all
    places are taken, the oldest first.

    `names` are the Host names it answers to, next to loopback ones and the address it was reached at.
    """

    def __init__(self, host: str, port: int, handle: Handle, names: frozenset[str] = frozenset()):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.create_server((host, port), family=family, backlog=CONNECTION_LIMIT)
        self._handle = handle
        self._names = names | {host}
        self._places = threading.BoundedSemaphore(CONNECTION_LIMIT)
        self._unproven: dict[socket.socket, None] = {}
        self._guard = threading.Lock()
        self._in_hand = 0
        self._answered = threading.Condition()
        bound_host, bound_port = self._socket.getsockname()[:2]
        self.url = f"http://[{bound_host}]:{bound_port}" if ":" in bound_host else f"http://{bound_host}:{bound_port}"

    def serve(self) -> None:
        """Accept until `close`."""
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            if not self._places.acquire(blocking=False) and not self._made_room():
                connection.close()
                continue
            with self._guard:
                self._unproven[connection] = None
            threading.Thread(target=self._converse, args=(connection,), name="connection", daemon=True).start()

    def close(self) -> None:
        # Closing alone does not wake a thread that blocks in accept.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def drain(self, seconds: float) -> bool:
        """Wait until every request in hand has had its answer, at most that long; whether it has."""
        with self._answered:
            return self._answered.wait_for(lambda: self._in_hand == 0, seconds)

    def _made_room(self) -> bool:
        """Whether a connection that has shown no key could be closed, and its place be taken."""
        with self._guard:
            oldest = next(iter(self._unproven), None)
            if oldest is None:
                return False
            del self._unproven[oldest]
            with suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)
        return self._places.acquire(timeout=1.0)

    def _judged(self, connection: socket.socket, request: Request) -> Answer:
        """The answer. A connection that is being answered is not closed for others; nor ever, once it is proven."""
        with self._guard:
            unproven = connection in self._unproven
            self._unproven.pop(connection, None)
        answer = self._handle(request)
        if unproven and answer.proven:
            connection.settimeout(IDLE_SECONDS)
        elif unproven:
            with self._guard:
                self._unproven[connection] = None
        return answer

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb", 64 * 1024) as stream:
                connection.settimeout(UNPROVEN_SECONDS)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while self._exchange(connection, cast(Stream, stream)):
                    pass
        except OSError as error:
            log.debug("connection ended: %s", error)
        finally:
            with self._guard:
                self._unproven.pop(connection, None)
            self._places.release()

    def _exchange(self, connection: socket.socket, stream: Stream) -> bool:
        """Answer one request; whether the connection stays open for another."""
        try:
            request = _read(connection, stream)
            if request is None:
                return False
            self._check_host(request, connection)
        except BadRequest as error:
            _send(connection, Answer(str(error).encode(), error.status, "text/plain"), last=True)
            return False
        last = request.headers.get("connection", "").lower() == "close"
        with self._answered:
            self._in_hand += 1
        try:
            answer = self._judged(connection, request)
            _send(connection, answer, last=last)
        finally:
            with self._answered:
                self._in_hand -= 1
                self._answered.notify_all()
        log.debug("%s %s %s %d", request.method, request.path, request.headers.get("x-amz-target", "-"), answer.status)
        return not last

    def _check_host(self, request: Request, connection: socket.socket) -> None:
        """Refuse names that are not ours: a page whose name was re-bound to 127.0.0.1 still sends its own name."""
        name = _host_name(request.headers.get("host", ""))
        if name in self._names or name == "localhost" or name == connection.getsockname()[0]:
            return
        try:
            if ipaddress.ip_address(name).is_loopback:
                return
        except ValueError:
            pass
        raise BadRequest(HTTPStatus.MISDIRECTED_REQUEST)


def _host_name(header: str) -> str:
    if header.startswith("["):
        return header[1:].partition("]")[0].lower()
    return header.partition(":")[0].lower()


def _read(connection: socket.socket, stream: Stream) -> Request | None:
    """The next request, or None when the client has closed. Raises BadRequest."""
    line = stream.readline(LINE_LIMIT)
    if not line:
        return None
    parts = line.decode("latin-1").split()
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not line.endswith(b"\n"):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    method, path, version = parts
    headers = _read_headers(stream)
    if version == "HTTP/1.0":
        headers["connection"] = "close"
    if "transfer-encoding" in headers:
        raise BadRequest(HTTPStatus.LENGTH_REQUIRED)
    length_text = headers.get("content-length", "0")
    if not (length_text.isascii() and length_text.isdigit()):
        raise BadRequest(HTTPStatus.BAD_REQUEST)
    # Python reads no numbers of thousands of digits.
    length = int(length_text) if len(length_text) < 20 else BODY_LIMIT + 1
    if length > BODY_LIMIT:
        raise BadRequest(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if headers.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = stream.read(length)
    if len(body) < length:
        return None
    return Request(method, path, headers, body)


def _read_headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(HEADER_LIMIT):
        line = stream.readline(LINE_LIMIT)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        name = name.lower()
        if not colon or name != name.strip() or not line.endswith(b"\n") or (name in headers and name in _SINGLE):
            raise BadRequest(HTTPStatus.BAD_REQUEST)
        headers[name] = value.strip()
    raise BadRequest(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)


# Two of these would let a proxy and us read one message differently.
_SINGLE = {"host", "content-length", "transfer-encoding"}


def _send(connection: socket.socket, answer: Answer, *, last: bool) -> None:
    lines = [
        f"HTTP/1.1 {int(answer.status)} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {len(answer.body)}",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    if last:
        lines.append("Connection: close")
    connection.sendall("\r\n".join((*lines, "\r\n")).encode("latin-1") + answer.body)
