"""An HTTP server that remembers each request, and answers what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Captured:
    """One request; header names are lower case. `host` is the host it was meant for."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    @property
    def form(self) -> Mapping[str, list[str]]:
        """The body as a form."""
        return parse_qs(self.body.decode())

    @property
    def host(self) -> str:
        """Whom it was for, when it was led here from elsewhere."""
        return self.headers.get("x-meant-for", self.headers.get("host", ""))


@dataclass
class Receiver:
    """What arrived, and what is answered."""

    port: int = 0
    requests: list[Captured] = field(default_factory=list)
    status: int = 200
    answer: bytes = b'{"ok": true, "success": true, "status": 1}'
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def only(self) -> Captured:
        """The one request that came."""
        (request,) = self.requests
        return request


@contextmanager
def web_receiver() -> Iterator[Receiver]:
    """A receiver at work."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def _take(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = parse_qs(parts.query, keep_blank_values=True)
            receiver.requests.append(Captured(self.command, parts.path, query, headers, body))
            self.send_response(receiver.status)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(receiver.answer)))
            self.end_headers()
            self.wfile.write(receiver.answer)

        do_GET = do_POST = do_PUT = do_DELETE = _take

        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
