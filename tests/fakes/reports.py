"""Reports of scans in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.security import SbomReport, ScanReport


@dataclass
class FakeReports:
    """What DynamoReports keeps, kept in two dictionaries."""

    kept: dict[str, ScanReport] = field(default_factory=dict)
    boms: dict[tuple[str, str], SbomReport] = field(default_factory=dict)

    def scan(self, subject: str) -> ScanReport | None:
        return self.kept.get(subject)

    def scans(self, subjects: Iterable[str]) -> Mapping[str, ScanReport]:
        return {subject: self.kept[subject] for subject in subjects if subject in self.kept}

    def put_scan(self, report: ScanReport) -> None:
        self.kept[report.subject] = report

    def sbom(self, subject: str, format: str) -> SbomReport | None:
        return self.boms.get((subject, format))

    def put_sbom(self, report: SbomReport) -> None:
        self.boms[report.subject, report.format] = report
