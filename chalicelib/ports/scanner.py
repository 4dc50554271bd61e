"""Tools that look into images: scanners, signature verifiers, makers of bills of materials; and where results go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from chalicelib.domain.container import Platform
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.security import SbomReport, ScanReport, subject_key
from chalicelib.domain.vulnerability import Vulnerability
from chalicelib.ports.engine import RegistryAuth


class ScannerError(SlipwayError):
    """A tool did not do its work: missing, out of time, killed, or its output is no report. No secret is in it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One image to look into. `reference` is bound to its digest, unless it is `local`: known to this engine alone.

    `name` is what people call it; `engine_url` reaches the engine that has it.
    """

    reference: str
    name: str
    digest: str
    platform: Platform
    registry: str = ""
    auth: RegistryAuth | None = field(default=None, repr=False)
    local: bool = False
    engine_url: str = ""

    @property
    def key(self) -> str:
        """What results of it are kept by."""
        return subject_key(self.digest, self.platform.os, self.platform.architecture, self.platform.variant)


class Scanner(Protocol):
    """Finds known vulnerabilities."""

    @property
    def name(self) -> str:
        """trivy, grype or both."""
        ...

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        """Everything found, as the tool orders it. Raises ScannerError."""
        ...

    def database(self) -> str:
        """Tells one vulnerability database from the next; empty when the tool does not tell."""
        ...

    def warm(self) -> None:
        """Fetch what every scan needs, so that none has to wait for it. Raises ScannerError."""
        ...


@dataclass(frozen=True, slots=True)
class Verification:
    """How many signatures are valid; with none, `problem` says what is wrong."""

    signatures: int
    problem: str | None = None


class Verifier(Protocol):
    """Checks signatures."""

    @property
    def keyless(self) -> bool:
        """Whether identities are checked, not a key."""
        ...

    def verify(self, subject: Subject) -> Verification:
        """The valid signatures of an image. Raises ScannerError when that cannot be told."""
        ...


class SbomMaker(Protocol):
    """Lists what an image is made of."""

    @property
    def name(self) -> str:
        """trivy or syft."""
        ...

    def make(self, subject: Subject, format: str) -> bytes:
        """The document in one of SBOM_FORMATS, as JSON text. Raises ScannerError."""
        ...


class ReportStore(Protocol):
    """Results by subject, for every container that runs the image. Writing one replaces it whole or not at all."""

    def scan(self, subject: str) -> ScanReport | None:
        """The last good scan of a subject."""
        ...

    def scans(self, subjects: Iterable[str]) -> Mapping[str, ScanReport]:
        """The last good scans of many, those that there are."""
        ...

    def put_scan(self, report: ScanReport) -> None:
        """Keep a good scan."""
        ...

    def sbom(self, subject: str, format: str) -> SbomReport | None:
        """The bill of materials of a subject in one format."""
        ...

    def put_sbom(self, report: SbomReport) -> None:
        """Keep a bill of materials."""
        ...
