"""Owns a TLS door in front of an engine's socket: a loopback listener that demands a client certificate."""

from __future__ import annotations

import shutil
import socketserver
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import AF_UNIX, SHUT_WR, socket

from tests.builders.certificates import make_certificate


@dataclass(frozen=True)
class TlsDoor:
    base_url: str
    ca: Path
    certificate: Path
    key: Path


@contextmanager
def tls_door(engine_socket: Path) -> Iterator[TlsDoor]:
    """Serves the engine at https://127.0.0.1:PORT for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="slipway-tls-"))
    certificate, key = make_certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(certificate)
    context.verify_mode = ssl.CERT_REQUIRED

    class Door(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            # A visitor without the certificate ends with an error of the handshake.
            with (
                suppress(OSError),
                context.wrap_socket(self.request, server_side=True) as outside,
                socket(AF_UNIX) as inside,
            ):
                inside.connect(str(engine_socket))
                threading.Thread(target=_carry, args=(outside, inside), daemon=True).start()
                _carry(inside, outside)

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield TlsDoor(f"https://127.0.0.1:{server.server_address[1]}", certificate, certificate, key)
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(folder)


def _carry(source: socket, target: socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(SHUT_WR)
