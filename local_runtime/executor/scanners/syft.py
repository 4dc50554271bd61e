"""Syft: bills of materials."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.security import CYCLONEDX, SPDX
from chalicelib.ports.scanner import Subject
from local_runtime.executor.scanners.anchore import registry_environment, source
from local_runtime.executor.scanners.call import Call, platform_of, secrets_of
from local_runtime.executor.scanners.sbom import require_sbom

_FORMATS = {SPDX: "spdx-json", CYCLONEDX: "cyclonedx-json"}


class Syft:
    """The binary."""

    name = "syft"

    def __init__(self, call: Call, *, extra: Sequence[str] = ()) -> None:
        self._call = call
        self._extra = tuple(extra)

    def make(self, subject: Subject, format: str) -> bytes:
        """A bill of materials, as JSON text. Raises ScannerError."""
        # Not --quiet: that silences errors too.
        arguments = ["--output", _FORMATS[format], "--platform", platform_of(subject), *self._extra]
        output = self._call.output(
            [*arguments, source(subject)], registry_environment(subject, "SYFT"), secrets_of(subject.auth)
        )
        return require_sbom(self.name, format, output)
