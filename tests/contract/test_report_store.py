"""What every store of reports keeps to: the one in memory, which other tests trust, and the one in DynamoDB."""

from __future__ import annotations

import itertools
import json
import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from chalicelib.adapters.dynamo.models import ReportModel
from chalicelib.adapters.dynamo.report import PIECE
from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.security import CYCLONEDX, SPDX, SbomReport, ScanReport
from chalicelib.domain.vulnerability import Summary, Vulnerability
from chalicelib.ports.scanner import ReportStore
from tests.fakes.reports import FakeReports

NOW = datetime(2026, 11, 23, 12, 0, 0, 123000, tzinfo=UTC)
_NUMBERS = itertools.count()
_RANDOM = random.Random(7)


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest, api_store: str) -> Iterator[ReportStore]:
    if request.param == "memory":
        yield FakeReports()
    else:
        yield Services(load({"AWS_ENDPOINT_URL": api_store})).reports


@pytest.fixture
def subject() -> str:
    return f"sha256:{next(_NUMBERS):064x} linux/amd64"


def scan(subject: str, count: int = 2) -> ScanReport:
    findings = tuple(
        Vulnerability(f"CVE-{n}", "HIGH", "web", "zlib", "1", "2", "Overflow ü", "https://x.test", None, ("trivy",))
        for n in range(count)
    )
    return ScanReport(subject, "trivy", "web:1", subject.split()[0], NOW, Summary(high=count, low=9), findings, "mo")


def sbom(subject: str, size: int, format: str = SPDX) -> SbomReport:
    document = json.dumps({"spdxVersion": "SPDX-2.3", "noise": _RANDOM.randbytes(size).hex()}).encode()
    return SbomReport(subject, format, "trivy", "web:1", NOW, document)


def items(subject: str) -> list[ReportModel]:
    """What DynamoDB holds of a subject."""
    return list(ReportModel.query(subject))


def test_what_was_put_is_found(store: ReportStore, subject: str) -> None:
    store.put_scan(scan(subject))
    store.put_sbom(sbom(subject, 10))
    assert store.scan(subject) == scan(subject)
    found = store.sbom(subject, SPDX)
    assert found is not None and json.loads(found.document)["spdxVersion"] == "SPDX-2.3"


def test_what_was_never_put_is_not_there(store: ReportStore, subject: str) -> None:
    store.put_sbom(sbom(subject, 10))
    assert store.scan(subject) is None
    assert store.sbom(subject, CYCLONEDX) is None
    assert store.sbom("nobody", SPDX) is None


def test_a_newer_scan_takes_the_place_of_an_older_one(store: ReportStore, subject: str) -> None:
    store.put_scan(scan(subject))
    newer = replace(scan(subject, 500), scanner="both")
    store.put_scan(newer)
    assert store.scan(subject) == newer


def test_many_are_read_at_once(store: ReportStore, subject: str) -> None:
    subjects = [f"{subject}/{n}" for n in range(60)]
    for one in subjects:
        store.put_scan(scan(one))
    found = store.scans([*subjects, *subjects, "nobody"])
    assert set(found) == set(subjects)
    assert found[subjects[59]] == scan(subjects[59])


@pytest.mark.parametrize("size", [PIECE // 2 - 100, PIECE, 3 * PIECE, 2_000_000])
def test_a_document_of_any_size_comes_back_as_it_was(store: ReportStore, subject: str, size: int) -> None:
    whole = sbom(subject, size)
    store.put_sbom(whole)
    assert store.sbom(subject, SPDX) == whole


def test_formats_do_not_get_into_each_others_way(store: ReportStore, subject: str) -> None:
    both = {format: sbom(subject, 700_000, format) for format in (SPDX, CYCLONEDX)}
    for one in both.values():
        store.put_sbom(one)
    store.put_scan(scan(subject))
    assert {format: store.sbom(subject, format) for format in both} == both


def test_no_item_outgrows_the_databases_limit_and_none_is_left_behind(api_store: str, subject: str) -> None:
    store = Services(load({"AWS_ENDPOINT_URL": api_store})).reports
    store.put_sbom(sbom(subject, 1_200_000))
    store.put_sbom(sbom(subject, 900_000))
    kept = items(subject)
    assert all(len(item.data or b"") <= PIECE for item in kept)
    (head,) = [item for item in kept if item.part == SPDX]
    assert len(kept) == 1 + int(head.pieces or 0)
    store.put_sbom(sbom(subject, 10))
    assert len(items(subject)) == 1
    assert all(item.expires_at > NOW.timestamp() for item in items(subject))


def test_a_reader_never_sees_half_of_a_new_document(api_store: str, subject: str) -> None:
    store = Services(load({"AWS_ENDPOINT_URL": api_store})).reports
    versions = [sbom(subject, 650_000 + 1000 * n) for n in range(3)]
    store.put_sbom(versions[0])
    wrong: list[object] = []
    stopped = threading.Event()

    def read() -> None:
        while not stopped.is_set():
            found = store.sbom(subject, SPDX)
            if found is not None and found not in versions:
                wrong.append(found)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    _repeat(lambda n: store.put_sbom(versions[n % 3]), 9)
    stopped.set()
    for reader in readers:
        reader.join(20)
    assert wrong == []


def _repeat(act: Callable[[int], None], times: int) -> None:
    for number in range(times):
        act(number)
