"""An HTTP server on loopback that answers as a test scripts it: for what no honest registry can be made to do."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TLS_HANDSHAKE = 0x16


@dataclass(frozen=True)
class Scripted:
    """One answer. `declared` is a Content-Length that may lie; `trickle` is a pause (seconds) after each byte."""

    status: int = 200
    body: bytes = b"{}"
    headers: Mapping[str, str] = field(default_factory=dict)
    declared: int | None = None
    delay: float = 0
    trickle: float = 0


@dataclass(frozen=True)
class Asked:
    """One request that arrived; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def authorization(self) -> str | None:
        return self.headers.get("authorization")


Script = Callable[[Asked], Scripted]


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may hang up, which is what many tests are about."""

    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Says nothing: the client's own assertion does."""


class ScriptedRegistry:
    """A running server. `answer` decides; `asked` is what arrived so far."""

    def __init__(self, answer: Script) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.address = ""

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    @property
    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]


@contextmanager
def scripted_registry(answer: Script | None = None) -> Iterator[ScriptedRegistry]:
    """Such a server for the length of the block."""
    place = ScriptedRegistry(answer or (lambda asked: Scripted()))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 20

        def handle_one_request(self) -> None:
            # Whoever tries TLS first learns at once that there is none.
            if self.rfile.peek(1)[:1] == bytes([TLS_HANDSHAKE]):  # type: ignore[attr-defined]
                self.close_connection = True
                return
            super().handle_one_request()

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            asked = Asked(self.command, self.path, headers, body)
            place.asked.append(asked)
            scripted = place.answer(asked)
            time.sleep(scripted.delay)
            self.send_response(scripted.status)
            length = len(scripted.body) if scripted.declared is None else scripted.declared
            for name, value in {"Content-Length": str(length), **scripted.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self._send(scripted)
            if scripted.declared is not None:
                self.close_connection = True

        do_HEAD = do_POST = do_GET

        def _send(self, scripted: Scripted) -> None:
            try:
                if not scripted.trickle:
                    self.wfile.write(scripted.body)
                for byte in scripted.body if scripted.trickle else b"":
                    self.wfile.write(bytes([byte]))
                    time.sleep(scripted.trickle)
            except OSError:
                # The client has had enough, which is what such a test is about.
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test output clean."""

    server = QuietServer(("127.0.0.1", 0), Handler)
    place.address = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield place
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
