"""API Gateway's management API for WebSocket connections, as far as its documentation tells how it behaves."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MOST_BYTES = 128 * 1024
ERRORS = {410: "GoneException", 413: "PayloadTooLargeException", 429: "LimitExceededException"}
_PATH = re.compile(r"^/prod/@connections/([^/]+)$")
_SIGNED = re.compile(r"^AWS4-HMAC-SHA256 Credential=[^/]+/\d{8}/us-east-1/execute-api/aws4_request, ")


class Gateway:
    """`open` and `leave` are what a viewer does; `messages` is what it got, one entry per call."""

    def __init__(self) -> None:
        self.messages: dict[str, list[bytes]] = {}
        self.closed: set[str] = set()
        self.refused: list[int] = []
        self.url = ""
        self.throttled = 0
        """So many of the next calls are too many."""
        self._open: set[str] = set()
        self._guard = threading.Lock()

    def open(self, connection: str) -> None:
        """`$connect` has been answered with 200."""
        with self._guard:
            self._open.add(connection)
            self.messages[connection] = []

    def leave(self, connection: str) -> None:
        """The viewer has closed."""
        with self._guard:
            self._open.discard(connection)

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> int:
        """The status of one call."""
        found = _PATH.match(path)
        with self._guard:
            if not found or not _SIGNED.match(authorization):
                return self._refuse(403)
            if self.throttled:
                self.throttled -= 1
                return self._refuse(429)
            if found[1] not in self._open:
                return self._refuse(410)
            if method == "POST":
                if len(body) > MOST_BYTES:
                    return self._refuse(413)
                self.messages[found[1]].append(body)
            if method == "DELETE":
                self._open.discard(found[1])
                self.closed.add(found[1])
                return 204
            return 200

    def _refuse(self, status: int) -> int:
        self.refused.append(status)
        return status


@contextmanager
def running_gateway() -> Iterator[Gateway]:
    """Such an endpoint on a loopback port; `url` is what clients are given."""
    gateway = Gateway()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status = gateway.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
            self.send_response(status)
            if status in ERRORS:
                self.send_header("x-amzn-ErrorType", ERRORS[status])
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_DELETE = do_any

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}/prod"
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
