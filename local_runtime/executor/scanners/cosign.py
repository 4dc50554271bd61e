"""Cosign: whether an image bears a valid signature."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from chalicelib.domain.reference import HUB
from chalicelib.ports.scanner import ScannerError, Subject, Verification
from local_runtime.executor.scanners.call import Call, ToolFailed, errors_of, safe, secrets_of, shown
from local_runtime.executor.scanners.document import NoReport

_HUB_KEY = "https://index.docker.io/v1/"
_UNSIGNED = re.compile(
    r"no matching (?:signatures|attestations)|no signatures|verification failed|invalid signature"
    r"|none of the expected identities|no matching certificate|no valid bundles",
    re.IGNORECASE,
)
_UNSIGNED_CODES = frozenset({10, 12, 13})
"""Exit codes of Cosign 2: no signature, no matching one, none with a certificate. 11 is an image that is not there."""


class Cosign:
    """The binary: with a key, or keyless by the identity and issuer of the signer's certificate."""

    def __init__(
        self,
        call: Call,
        *,
        key: str | None = None,
        identity: str | None = None,
        issuer: str | None = None,
        extra: Sequence[str] = (),
    ) -> None:
        self._call = call
        self.keyless = key is None
        options = {"--key": key, "--certificate-identity": identity, "--certificate-oidc-issuer": issuer}
        self._options = [part for option, value in options.items() if value for part in (option, value)]
        self._options += extra

    def verify(self, subject: Subject) -> Verification:
        """The valid signatures of an image. Raises ScannerError when that cannot be told."""
        if subject.local:
            return Verification(0, "it is known to this engine alone, and signatures are kept in registries")
        arguments = ["verify", "--output", "json", *self._options, safe(subject.reference)]
        with _docker_config(subject) as environment:
            outcome = self._call.once(arguments, environment, secrets_of(subject.auth))
        complaint = shown(outcome.complaint)
        if outcome.code == 0:
            count = count_signatures(outcome.output)
            return Verification(count, None if count else "it has no signature")
        if outcome.code in _UNSIGNED_CODES or _UNSIGNED.search(errors_of(outcome.complaint)):
            return Verification(0, complaint)
        raise ToolFailed(f"cosign ended with code {outcome.code}: {complaint}")


def count_signatures(output: bytes) -> int:
    """How many signatures a verification names: an array, or one object a line. Raises NoReport."""
    if not output.strip():
        return 0
    try:
        documents = [json.loads(output)]
    except (ValueError, RecursionError):
        documents = _lines(output)
    found = [one for document in documents for one in (document if isinstance(document, list) else [document])]
    if not all(isinstance(one, dict) and ("critical" in one or "Critical" in one) for one in found):
        raise NoReport("cosign wrote something that is no verification")
    return len(found)


def _lines(output: bytes) -> list[object]:
    try:
        return [json.loads(line) for line in output.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        raise NoReport("cosign wrote something that is no verification") from None


@contextmanager
def _docker_config(subject: Subject) -> Iterator[dict[str, str]]:
    """Cosign takes credentials on its command line, where everybody sees them, or from Docker's config file."""
    if subject.auth is None:
        yield {}
        return
    entry = {"identitytoken": subject.auth.identity_token} if subject.auth.identity_token else {}
    pair = f"{subject.auth.username}:{subject.auth.password}".encode()
    entry["auth"] = base64.b64encode(pair).decode()
    host = _HUB_KEY if subject.registry == HUB else subject.registry
    try:
        with tempfile.TemporaryDirectory(prefix="slipway-cosign-") as folder:
            file = Path(folder) / "config.json"
            file.touch(mode=0o600)
            file.write_text(json.dumps({"auths": {host: entry}}))
            yield {"DOCKER_CONFIG": folder}
    except OSError as error:
        raise ScannerError(f"cosign's credentials cannot be written: {error.strerror}") from error
