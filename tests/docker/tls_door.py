"""Owns a TLS door in front of an engine's socket: a loopback listener that demands a client certificate."""

from __future__ import annotations

import datetime
import ipaddress
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

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slipway tests")])


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
    certificate, key = _make_certificate(folder)
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


def _make_certificate(folder: Path) -> tuple[Path, Path]:
    """One self-signed certificate that is authority, server and client at once."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    uses = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(uses, critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file
