"""Registries behind TLS: a certificate authority of one's own, client certificates, and what is refused without."""

from __future__ import annotations

import ipaddress
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chalicelib.adapters.registry.registries import Registries
from chalicelib.domain.reference import Repository
from chalicelib.ports.registry import RegistryUnavailable
from tests.builders.registry_client import TAGS
from tests.builders.scripted_registry import QuietServer
from tests.fakes.services import StillClock


class Papers:
    """One key and a certificate for 127.0.0.1 that signs itself, so that it serves as authority and as client too."""

    def __init__(self, folder: Path) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "slipway tests")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        self.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )


class Handler(BaseHTTPRequestHandler):
    """A registry with one repository."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(TAGS)))
        self.end_headers()
        self.wfile.write(TAGS)

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test output clean."""


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.fixture(params=[False, True], ids=["server certificate", "client certificate too"])
def mutual(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture
def address(papers: Papers, mutual: bool) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers.certificate, papers.key)
    if mutual:
        context.load_verify_locations(papers.certificate)
        context.verify_mode = ssl.CERT_REQUIRED
    server = QuietServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


def tags(address: str, **settings: str) -> list[str]:
    configured = {"custom": {"own": {"url": f"https://{address}", **settings}}} if settings else {}
    registries = Registries(configured, StillClock(), timeout=5)
    try:
        return list(registries.cycle().tags(Repository(address, "web")))
    finally:
        registries.close()


def test_an_authority_of_ones_own_is_trusted(address: str, papers: Papers, mutual: bool) -> None:
    own = {"clientcert": str(papers.certificate), "clientkey": str(papers.key)} if mutual else {}
    assert tags(address, cafile=str(papers.certificate), **own) == ["1.0.0", "1.1.0"]


def test_verification_may_be_switched_off(address: str, papers: Papers, mutual: bool) -> None:
    own = {"clientcert": str(papers.certificate), "clientkey": str(papers.key)} if mutual else {}
    assert tags(address, insecure="true", **own) == ["1.0.0", "1.1.0"]


def test_a_stranger_is_not_trusted(address: str) -> None:
    with pytest.raises(RegistryUnavailable, match="cannot be reached"):
        tags(address, login="ada", password="lovelace")


def test_a_certificate_file_that_is_missing_is_an_error_of_this_registry(address: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryUnavailable, match="certificate"):
        tags(address, cafile=str(tmp_path / "missing.pem"))


@pytest.mark.parametrize("mutual", [False], indirect=True)
def test_tls_on_this_machine_needs_no_authority(address: str) -> None:
    assert tags(address) == ["1.0.0", "1.1.0"]
