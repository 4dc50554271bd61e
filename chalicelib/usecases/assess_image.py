"""Look into one image: scan it, verify it, list what it is made of; results are kept for all who run it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from chalicelib.domain.errors import NotFound
from chalicelib.domain.security import (
    KEPT_DESPITE_FAILURE,
    UNVERIFIED,
    VERIFIED,
    Sbom,
    SbomReport,
    Scan,
    ScanReport,
    Signature,
)
from chalicelib.domain.vulnerability import summarise, worst
from chalicelib.ports.clock import Clock
from chalicelib.ports.scanner import ReportStore, SbomMaker, Scanner, ScannerError, Subject, Verifier

FAILURE_KEPT = timedelta(minutes=15)
"""How long a round of scheduled scans leaves an image alone that could not be scanned."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """The tools there are; absent ones are not configured."""

    scanner: Scanner | None = None
    verifier: Verifier | None = None
    sbom_maker: SbomMaker | None = None


@dataclass(frozen=True, slots=True)
class ImageAssessor:
    """Knows how to look into images. Safe to call from several threads; one subject is scanned by one at a time."""

    instruments: Instruments
    reports: ReportStore
    clock: Clock
    block_severities: tuple[str, ...]
    _turns: dict[str, threading.Lock] = field(default_factory=dict)
    _failures: dict[str, tuple[datetime, str]] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def scan(self, subject: Subject, max_age: timedelta, *, spare_failed: bool = False) -> Scan | None:
        """The scan of a subject; None without a scanner.

        It is made now unless a good one is younger than `max_age` and was made with the database there is now.

        When the tool fails, the last good scan stands in for a week, with the error. `spare_failed` does not try again
        what failed a moment ago.
        """
        scanner = self.instruments.scanner
        if scanner is None:
            return None
        with self._turn(subject.key):
            now = self.clock.now()
            known = self.reports.scan(subject.key)
            young = known is not None and known.scanner == scanner.name and now - known.scanned_at <= max_age
            if known is not None and young and known.made_with(scanner.database()):
                return self._scan(subject, known)
            trouble = self._recent_failure(subject.key, now) if spare_failed else None
            if trouble is None:
                try:
                    return self._scan(subject, self._scan_now(scanner, subject))
                except ScannerError as error:
                    trouble = str(error)
                    self._failures[subject.key] = (now, trouble)
            if known is not None and now - known.scanned_at <= KEPT_DESPITE_FAILURE:
                return replace(self._scan(subject, known), error=trouble)
            return Scan(
                scanner=scanner.name,
                image=subject.name,
                digest=subject.digest,
                scanned_at=now,
                block_severities=self.block_severities,
                failed=True,
                error=trouble,
            )

    def signature(self, subject: Subject) -> Signature | None:
        """Whether the image is signed; None when signatures are not verified here."""
        verifier = self.instruments.verifier
        if verifier is None:
            return None
        found, status, problem = 0, "error", None
        try:
            verification = verifier.verify(subject)
            found, problem = verification.signatures, verification.problem
            status = VERIFIED if found else UNVERIFIED
        except ScannerError as error:
            problem = str(error)
        return Signature(
            image=subject.name,
            digest=subject.digest,
            verified_at=self.clock.now(),
            status=status,
            keyless=verifier.keyless,
            signatures=found,
            error=problem,
        )

    def sbom(self, subject: Subject, formats: Sequence[str]) -> Sbom | None:
        """Bills of materials in these formats, made where there is none yet; None when none are made here."""
        maker = self.instruments.sbom_maker
        if maker is None or not formats:
            return None
        made: list[SbomReport] = []
        problem = None
        for format in formats:
            try:
                made.append(self.sbom_report(subject, format))
            except ScannerError as error:
                problem = str(error)
        return Sbom(
            generator=made[0].generator if made else maker.name,
            image=subject.name,
            digest=subject.digest,
            generated_at=max((one.generated_at for one in made), default=self.clock.now()),
            formats=tuple(one.format for one in made),
            error=problem,
        )

    def sbom_report(self, subject: Subject, format: str) -> SbomReport:
        """The bill of materials, made when there is none: what an image is made of does not change.

        Raises ScannerError, and NotFound when none are made here.
        """
        maker = self.instruments.sbom_maker
        if maker is None:
            raise NotFound("No scanner is configured that makes bills of materials; set DD_SECURITY_SCANNER.")
        with self._turn(f"{subject.key} {format}"):
            known = self.reports.sbom(subject.key, format)
            if known is not None:
                return known
            document = maker.make(subject, format)
            report = SbomReport(subject.key, format, maker.name, subject.name, self.clock.now(), document)
            self.reports.put_sbom(report)
            return report

    def _scan_now(self, scanner: Scanner, subject: Subject) -> ScanReport:
        findings = scanner.scan(subject)
        report = ScanReport(
            subject=subject.key,
            scanner=scanner.name,
            image=subject.name,
            digest=subject.digest,
            scanned_at=self.clock.now(),
            summary=summarise(findings),
            findings=worst(findings),
            database=scanner.database(),
        )
        self.reports.put_scan(report)
        self._failures.pop(subject.key, None)
        return report

    def _scan(self, subject: Subject, report: ScanReport) -> Scan:
        return Scan(
            scanner=report.scanner,
            image=subject.name,
            digest=subject.digest,
            scanned_at=report.scanned_at,
            block_severities=self.block_severities,
            summary=report.summary,
        )

    def _recent_failure(self, key: str, now: datetime) -> str | None:
        at, trouble = self._failures.get(key, (None, None))
        return trouble if at is not None and now - at <= FAILURE_KEPT else None

    @contextmanager
    def _turn(self, key: str) -> Iterator[None]:
        """Whoever wants the same waits, and then finds the result."""
        with self._guard:
            turn = self._turns.setdefault(key, threading.Lock())
        with turn:
            yield
