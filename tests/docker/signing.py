"""Owns signed images: keys, a certificate, and signatures in every form, made by the real Cosign on the PATH."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chalicelib.ports.engine import RegistryAuth
from tests.docker.images import digest_of
from tests.docker.registry import ImageRegistry

SIGNER, ISSUER = "release@example.org", "https://issuer.example.org"
NO_LOG = ("--insecure-ignore-tlog=true",)
_FULCIO_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_FORMS = {False: "--new-bundle-format=false", True: "--new-bundle-format=true"}


@dataclass(frozen=True)
class Keys:
    """Where the files lie that a verification needs; they exist once `Signer` has made them."""

    folder: Path

    @property
    def bundled(self) -> tuple[str, ...]:
        """Arguments for signatures in bundles; the trusted root knows nobody, for a key needs nobody."""
        return ("--trusted-root", str(self.folder / "root.json"), _FORMS[True])

    @property
    def certified(self) -> tuple[str, ...]:
        """Arguments for certificates of our own authority."""
        return ("--insecure-ignore-sct=true", "--ca-roots", str(self.folder / "ca.pem"))

    def public(self, name: str) -> str:
        """The public key of `ours` or `other`."""
        return str(self.folder / f"{name}.pub")


class Signer:
    """Signs images; what it makes needs no transparency log, so none is asked."""

    def __init__(self, program: str, keys: Keys) -> None:
        self._program = program
        self._folder = keys.folder
        keys.folder.mkdir(parents=True, exist_ok=True)
        for name in ("ours", "other"):
            self._cosign("generate-key-pair", "--output-key-prefix", name)
        self._cosign("trusted-root", "create", "--out", "root.json")
        self._certify()

    def sign(self, reference: str, auth: RegistryAuth | None = None, *, bundle: bool = False) -> None:
        """With our key, as a tag beside the image or as a bundle that refers to it."""
        self._cosign("sign", "--yes", "--key", "ours.key", "--tlog-upload=false", _FORMS[bundle], reference, auth=auth)

    def sign_certified(self, reference: str) -> None:
        """With the key of SIGNER's certificate."""
        chain = ("--certificate", "leaf.pem", "--certificate-chain", "ca.pem")
        self._cosign("sign", "--yes", "--key", "leaf.key", *chain, "--tlog-upload=false", _FORMS[False], reference)

    def _cosign(self, *arguments: str, auth: RegistryAuth | None = None) -> None:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self._folder), "COSIGN_PASSWORD": ""}
        login = ("--registry-username", auth.username, "--registry-password", auth.password) if auth else ()
        done = subprocess.run(
            [self._program, *arguments[:1], *login, *arguments[1:]],
            env=environment, cwd=self._folder, capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"cosign {' '.join(arguments)}: {done.stderr}"

    def _certify(self) -> None:
        authority, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "example")])
        now = datetime.now(UTC)
        begun = x509.CertificateBuilder().issuer_name(name).not_valid_before(now - timedelta(days=1))
        made = begun.not_valid_after(now + timedelta(days=1)).serial_number(x509.random_serial_number())
        root = made.subject_name(name).public_key(authority.public_key())
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        signer = made.subject_name(x509.Name([])).public_key(leaf.public_key())
        signer = signer.add_extension(x509.SubjectAlternativeName([x509.RFC822Name(SIGNER)]), critical=True)
        signer = signer.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
        signer = signer.add_extension(x509.UnrecognizedExtension(_FULCIO_ISSUER, ISSUER.encode()), critical=False)
        pem = serialization.Encoding.PEM
        for file, certificate in (("ca.pem", root), ("leaf.pem", signer)):
            (self._folder / file).write_bytes(certificate.sign(authority, hashes.SHA256()).public_bytes(pem))
        plain = leaf.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (self._folder / "plain.key").write_bytes(plain)
        self._cosign("import-key-pair", "--key", "plain.key", "--output-key-prefix", "leaf")


def move_signature(registry: ImageRegistry, repository: str, signed: str, other: str, *, forged: bool = False) -> None:
    """Put an image's signature at another one; `forged` also has it speak of that one."""
    found = registry.manifest(repository, signature_tag(signed))
    manifest = found.json()
    if forged:
        layer = manifest["layers"][0]
        said = registry.http.get(f"/v2/{repository}/blobs/{layer['digest']}").content
        says = said.replace(signed.encode(), other.encode())
        registry.push_blob(repository, says)
        layer |= {"digest": digest_of(says), "size": len(says)}
    registry.put_manifest(
        repository, signature_tag(other), found.headers["Content-Type"], json.dumps(manifest).encode()
    )


def signature_tag(digest: str) -> str:
    """Where Cosign keeps the signature of an image when it is no bundle."""
    return f"{digest.replace(':', '-')}.sig"
