"""What is known of an image's safety: scans, signatures, bills of materials, and to which image each belongs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from chalicelib.domain.vulnerability import NO_FINDINGS, Summary, Vulnerability

PASSED, BLOCKED, ERROR = "passed", "blocked", "error"
VERIFIED, UNVERIFIED = "verified", "unverified"
SPDX, CYCLONEDX = "spdx-json", "cyclonedx-json"
SBOM_FORMATS = (SPDX, CYCLONEDX)
KEPT_DESPITE_FAILURE = timedelta(days=7)
"""How old a good result may be to stand in for a scan that failed."""
ALERT_PAUSE = timedelta(minutes=5)
"""Within this time the same container raises one alert."""


def subject_key(digest: str, os: str, architecture: str, variant: str | None) -> str:
    """What results are kept by: one digest may be an index, and each of its platforms is another image."""
    return f"{digest} {os}/{architecture}" + (f"/{variant}" if variant else "")


@dataclass(frozen=True, slots=True)
class RelativeGate:
    """How a candidate compares with what runs; `reason` is one of the contract's words."""

    passed: bool
    reason: str
    current: Summary | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """One scan of one image. With `failed` there is no result, and `error` says why.

    With `error` alone an older good result stands, because a newer scan failed.
    """

    scanner: str
    image: str
    digest: str
    scanned_at: datetime
    block_severities: tuple[str, ...] = ()
    summary: Summary = NO_FINDINGS
    failed: bool = False
    error: str | None = None
    relative: RelativeGate | None = None

    @property
    def blocking_count(self) -> int:
        """How many findings have a severity that blocks."""
        return sum(self.summary.of(severity) for severity in self.block_severities)

    @property
    def status(self) -> str:
        """passed, blocked or error."""
        if self.failed:
            return ERROR
        return BLOCKED if self.blocking_count else PASSED


def alarm_of(scans: Iterable[Scan]) -> str:
    """What these scans found, in words."""
    return "; ".join(f"{scan.image}: {scan.summary} ({scan.scanner})" for scan in scans)


@dataclass(frozen=True, slots=True)
class Signature:
    """One verification of an image's signatures; `status` is verified, unverified or error."""

    image: str
    digest: str
    verified_at: datetime
    status: str
    keyless: bool
    signatures: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Sbom:
    """The bills of materials there are of an image, by format; the documents themselves are kept apart."""

    generator: str
    image: str
    digest: str
    generated_at: datetime
    formats: tuple[str, ...] = ()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Security:
    """All that is known of the image a container runs, and of the one it could move to.

    `blocked` is why the gate would refuse that move, as a sentence.
    """

    scan: Scan | None = None
    update_scan: Scan | None = None
    signature: Signature | None = None
    update_signature: Signature | None = None
    sbom: Sbom | None = None
    update_sbom: Sbom | None = None
    blocked: str | None = None

    @property
    def severe(self) -> bool:
        """Whether the running image has critical or high findings."""
        return self.scan is not None and self.scan.summary.severe

    @property
    def alarm(self) -> str:
        """What should alarm somebody of both images, in words; empty when nothing should."""
        scans = (self.scan, self.update_scan)
        return alarm_of(scan for scan in scans if scan is not None and scan.summary.severe)

    def without_candidate(self) -> Security:
        """The same when there is nothing to move to any more, or something else."""
        return replace(self, update_scan=None, update_signature=None, update_sbom=None, blocked=None)

    def moved_to(self, digest: str) -> Security:
        """The same once the container runs the image of that digest: what was known of it is known of it still."""
        return Security(
            scan=_of(digest, self.scan, self.update_scan),
            signature=_of(digest, self.signature, self.update_signature),
            sbom=_of(digest, self.sbom, self.update_sbom),
        )


NOTHING_KNOWN = Security()


@dataclass(frozen=True, slots=True)
class ScanReport:
    """What one scan found, kept by subject for every container that runs the image; `summary` counts all findings."""

    subject: str
    scanner: str
    image: str
    digest: str
    scanned_at: datetime
    summary: Summary
    findings: tuple[Vulnerability, ...] = ()
    database: str = ""
    """The vulnerability database it was made with, as far as is known."""

    def made_with(self, database: str) -> bool:
        """Whether it was made with that database; what is not known counts as the same."""
        return not self.database or not database or self.database == database


@dataclass(frozen=True, slots=True)
class SbomReport:
    """One bill of materials: `document` is the generator's own JSON text, in UTF-8."""

    subject: str
    format: str
    generator: str
    image: str
    generated_at: datetime
    document: bytes


Part = TypeVar("Part", Scan, Signature, Sbom)


def _of(digest: str, *parts: Part | None) -> Part | None:
    return next((part for part in parts if part is not None and part.digest == digest), None)
