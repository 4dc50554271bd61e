"""Images are looked into once for everybody who runs them, and what was found outlives a scanner that fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from chalicelib.domain.container import Platform
from chalicelib.domain.errors import NotFound
from chalicelib.domain.security import CYCLONEDX, SPDX
from chalicelib.domain.vulnerability import MOST_KEPT, Summary, Vulnerability
from chalicelib.ports.scanner import ScannerError, Subject, Verification
from chalicelib.usecases.assess_image import ImageAssessor, Instruments
from tests.fakes.reports import FakeReports
from tests.fakes.services import StillClock

DAY = timedelta(days=1)
SUBJECT = Subject("web@sha256:a", "web:1", "sha256:a", Platform("amd64", "linux"))


@dataclass
class Tool:
    """A scanner, verifier and maker in one, that finds what it is told to."""

    name: str = "trivy"
    keyless: bool = True
    findings: Sequence[Vulnerability] = (Vulnerability("CVE-1", "HIGH"),)
    signatures: int = 1
    trouble: str | None = None
    scanned: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    seconds: float = 0.0
    dated: str = ""

    def database(self) -> str:
        return self.dated

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        self.scanned.append(subject.key)
        time.sleep(self.seconds)
        self._fail()
        return self.findings

    def warm(self) -> None:
        """Nothing to fetch."""

    def verify(self, subject: Subject) -> Verification:
        self._fail()
        return Verification(self.signatures, None if self.signatures else "no signatures found")

    def make(self, subject: Subject, format: str) -> bytes:
        self.made.append(format)
        self._fail()
        return b"{}"

    def _fail(self) -> None:
        if self.trouble:
            raise ScannerError(self.trouble)


@dataclass
class Bench:
    """An assessor with all that it works with."""

    tool: Tool = field(default_factory=Tool)
    clock: StillClock = field(default_factory=StillClock)
    reports: FakeReports = field(default_factory=FakeReports)

    def __post_init__(self) -> None:
        tools = Instruments(self.tool, self.tool, self.tool)
        self.assessor = ImageAssessor(tools, self.reports, self.clock, ("CRITICAL", "HIGH"))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_without_tools_nothing_is_known() -> None:
    assessor = ImageAssessor(Instruments(), FakeReports(), StillClock(), ())
    assert assessor.scan(SUBJECT, DAY) is None
    assert assessor.signature(SUBJECT) is None
    assert assessor.sbom(SUBJECT, (SPDX,)) is None
    with pytest.raises(NotFound):
        assessor.sbom_report(SUBJECT, SPDX)


def test_a_scan_counts_everything_and_keeps_the_worst(bench: Bench) -> None:
    bench.tool.findings = [Vulnerability(f"CVE-{n}", "LOW") for n in range(MOST_KEPT + 7)] + [
        Vulnerability("x", "HIGH")
    ]
    scan = bench.assessor.scan(SUBJECT, DAY)
    assert scan is not None
    assert (scan.summary, scan.status, scan.blocking_count) == (Summary(low=MOST_KEPT + 7, high=1), "blocked", 1)
    kept = bench.reports.kept[SUBJECT.key].findings
    assert len(kept) == MOST_KEPT and kept[-1].id == "x"


def test_an_image_is_scanned_once_while_its_result_is_young(bench: Bench) -> None:
    first = bench.assessor.scan(SUBJECT, DAY)
    again = bench.assessor.scan(replace(SUBJECT, name="registry/web:latest"), DAY)
    assert len(bench.tool.scanned) == 1
    assert first is not None and again is not None
    assert (again.scanned_at, again.image) == (first.scanned_at, "registry/web:latest")
    bench.clock.at += DAY + timedelta(seconds=1)
    bench.assessor.scan(SUBJECT, DAY)
    assert len(bench.tool.scanned) == 2


def test_another_platform_or_another_scanner_is_another_scan(bench: Bench) -> None:
    bench.assessor.scan(SUBJECT, DAY)
    bench.assessor.scan(replace(SUBJECT, platform=Platform("arm64", "linux")), DAY)
    bench.tool.name = "grype"
    bench.assessor.scan(SUBJECT, DAY)
    assert len(bench.tool.scanned) == 3


def test_who_asks_for_the_same_image_at_once_shares_one_scan(bench: Bench) -> None:
    bench.tool.seconds = 0.1
    threads = [threading.Thread(target=bench.assessor.scan, args=(SUBJECT, DAY)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(bench.tool.scanned) == 1


def test_a_failed_scan_says_why_and_finds_nothing(bench: Bench) -> None:
    bench.tool.trouble = "out of memory"
    scan = bench.assessor.scan(SUBJECT, DAY)
    assert scan is not None
    assert (scan.status, scan.error, scan.summary) == ("error", "out of memory", Summary())
    assert bench.reports.kept == {}


def test_a_failed_rescan_keeps_the_last_good_result_for_a_week(bench: Bench) -> None:
    good = bench.assessor.scan(SUBJECT, DAY)
    bench.tool.trouble = "out of time"
    bench.clock.at += timedelta(days=2)
    kept = bench.assessor.scan(SUBJECT, DAY)
    assert good is not None and kept is not None
    assert (kept.status, kept.scanned_at, kept.error) == ("blocked", good.scanned_at, "out of time")
    bench.clock.at += timedelta(days=6)
    lost = bench.assessor.scan(SUBJECT, DAY)
    assert lost is not None and lost.status == "error"


def test_rounds_leave_what_failed_alone_for_a_quarter_of_an_hour(bench: Bench) -> None:
    bench.tool.trouble = "manifest unknown"
    for _ in range(3):
        scan = bench.assessor.scan(SUBJECT, DAY, spare_failed=True)
        assert scan is not None and scan.error == "manifest unknown"
    assert len(bench.tool.scanned) == 1
    bench.assessor.scan(SUBJECT, DAY)
    assert len(bench.tool.scanned) == 2, "by hand it is tried again"
    bench.clock.at += timedelta(minutes=16)
    bench.tool.trouble = None
    scan = bench.assessor.scan(SUBJECT, DAY, spare_failed=True)
    assert scan is not None and scan.status == "blocked"


@pytest.mark.parametrize(
    ("signatures", "trouble", "status", "error"),
    [
        (2, None, "verified", None),
        (0, None, "unverified", "no signatures found"),
        (0, "no answer", "error", "no answer"),
    ],
)
def test_a_signature_is_valid_missing_or_unknown(
    bench: Bench, signatures: int, trouble: str | None, status: str, error: str | None
) -> None:
    bench.tool.signatures, bench.tool.trouble = signatures, trouble
    found = bench.assessor.signature(SUBJECT)
    assert found is not None
    assert (found.status, found.signatures, found.error) == (status, signatures, error)


def test_a_bill_of_materials_is_made_once(bench: Bench) -> None:
    both = bench.assessor.sbom(SUBJECT, (SPDX, CYCLONEDX))
    again = bench.assessor.sbom(SUBJECT, (SPDX,))
    assert both is not None and again is not None
    assert (both.formats, again.formats) == ((SPDX, CYCLONEDX), (SPDX,))
    assert bench.tool.made == [SPDX, CYCLONEDX]


def test_a_bill_of_materials_that_could_not_be_made_says_why(bench: Bench) -> None:
    bench.tool.trouble = "no such image"
    found = bench.assessor.sbom(SUBJECT, (SPDX,))
    assert found is not None
    assert (found.formats, found.error) == ((), "no such image")


def test_a_newer_database_makes_a_young_scan_old(bench: Bench) -> None:
    bench.tool.dated = "monday"
    bench.assessor.scan(SUBJECT, DAY)
    bench.assessor.scan(SUBJECT, DAY)
    assert len(bench.tool.scanned) == 1
    bench.tool.dated = "tuesday"
    bench.tool.findings = [Vulnerability("CVE-2", "CRITICAL")]
    again = bench.assessor.scan(SUBJECT, DAY)
    assert again is not None and again.summary == Summary(critical=1)
    bench.tool.dated = ""
    bench.assessor.scan(SUBJECT, DAY)
    assert len(bench.tool.scanned) == 2
