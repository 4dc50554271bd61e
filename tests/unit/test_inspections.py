"""Rounds over many containers, and what becomes of a result when the container has changed meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from chalicelib.config import Settings
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.gate import GateRules
from chalicelib.domain.notice import Cycle
from chalicelib.domain.security import NOTHING_KNOWN
from chalicelib.domain.vulnerability import Summary, Vulnerability
from chalicelib.ports.registry import RegistryUnavailable
from chalicelib.ports.scanner import ScannerError, Subject
from chalicelib.settings_security import SecuritySettings
from chalicelib.usecases.assess_image import ImageAssessor, Instruments
from local_runtime.executor.security.alerts import Alerts
from local_runtime.executor.security.bulletin import Bulletin
from local_runtime.executor.security.inspections import Inspections
from local_runtime.executor.watching.inventory import with_findings
from tests.builders.containers import NOW, container, with_update
from tests.fakes.audit import FakeAudit
from tests.fakes.reports import FakeReports
from tests.fakes.services import StillClock
from tests.fakes.stores import FakeContainers

DIGEST = "sha256:" + "9" * 64


@dataclass
class Scanner:
    """Finds the same in every image; `meanwhile` is what happens while it looks."""

    name: str = "trivy"
    findings: Sequence[Vulnerability] = (Vulnerability("CVE-1", "CRITICAL"),)
    meanwhile: Callable[[], object] = lambda: None
    trouble: str | None = None
    warmed: int = 0
    scanned: list[str] = field(default_factory=list)

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        self.scanned.append(subject.name)
        self.meanwhile()
        if self.trouble:
            raise ScannerError(self.trouble)
        return self.findings

    def database(self) -> str:
        return ""

    def warm(self) -> None:
        self.warmed += 1
        raise ScannerError("the database cannot be fetched")


class Registries:
    """Serves one digest for every tag, unless it is down."""

    def __init__(self) -> None:
        self.down = False

    def cycle(self) -> Registries:
        return self

    def head(self, _reference: object) -> str:
        if self.down:
            raise RegistryUnavailable("the registry is down")
        return DIGEST

    def pull_credentials(self, _reference: object) -> None:
        return None


class Voice:
    """Remembers what triggers would be told: of which container, what, in which cycle; and which cycles are over."""

    def __init__(self) -> None:
        self.alerts: list[tuple[str, str, Cycle | None]] = []
        self.over: list[Cycle] = []

    def security_alert(self, container: Container, details: str, report: str, cycle: Cycle | None = None) -> None:
        self.alerts.append((container.name, details, cycle))

    def cycle_over(self, cycle: Cycle) -> None:
        self.over.append(cycle)

    @property
    def told(self) -> list[str]:
        return [name for name, _, _ in self.alerts]


class Bench:
    """Inspections over containers in memory."""

    def __init__(self, **settings: Any) -> None:
        self.clock = StillClock(NOW)
        self.scanner = Scanner()
        self.containers = FakeContainers()
        self.audit = FakeAudit()
        self.registries = Registries()
        configured = Settings(security=SecuritySettings(scanner="trivy", **settings))
        services: Any = SimpleNamespace(
            settings=configured,
            containers=self.containers,
            audit=self.audit,
            registries=self.registries,
            clock=self.clock,
        )
        watcher: Any = SimpleNamespace(settings=configured.watchers[0], amend=self._amend)
        assessor = ImageAssessor(
            Instruments(self.scanner), FakeReports(), self.clock, configured.security.block_severities
        )
        self.voice = Voice()
        alerts = Alerts(self.audit, self.clock, self.voice)
        self.inspections = Inspections(services, {"local": watcher}, assessor, alerts, Bulletin(services.clock))

    def _amend(self, identity: Identity, change: Callable[[Container], Container]) -> Container | None:
        """What a watcher does, where nobody else writes."""
        now = self.containers.get(identity)
        if now is not None:
            self.containers.save([change(now)])
        return self.containers.get(identity)

    def keep(self, *containers: Container) -> None:
        self.containers.save(containers)

    def now(self, one: Container) -> Container:
        found = self.containers.get(one.identity)
        assert found is not None
        return found

    def alerts(self) -> int:
        return len([row for row in self.audit.newest(["local"], 100) if row.action == "security-alert"])


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_round_scans_each_image_once_for_all_who_run_it(bench: Bench) -> None:
    web = container("web")
    twin = replace(web, identity=replace(web.identity, name="twin"), id="2" * 64)
    other = container("other")
    bench.keep(web, twin, other)
    assert bench.inspections.round() == 3
    assert sorted(bench.scanner.scanned) == ["other:1.2.3", "web:1.2.3"]
    for one in (web, twin, other):
        scan = bench.now(one).security.scan
        assert scan is not None and scan.summary == Summary(critical=1)
    assert bench.scanner.warmed == 1, "a database that cannot be fetched stops no round"


def test_a_round_looks_at_candidates_too(bench: Bench) -> None:
    web = with_update(container("web"))
    bench.keep(web)
    bench.inspections.round()
    found = bench.now(web).security
    assert found.update_scan is not None
    assert (found.update_scan.image, found.update_scan.digest) == ("web:1.3.0", DIGEST)
    assert found.blocked is not None and "web:1.3.0" in found.blocked


def test_a_second_round_at_the_same_time_is_left_out(bench: Bench) -> None:
    bench.keep(container("web"))
    seen: list[int] = []
    bench.scanner.meanwhile = lambda: seen.append(bench.inspections.round())
    assert bench.inspections.round() == 1
    assert seen == [0]


def test_a_round_ends_when_its_time_is_over() -> None:
    bench = Bench(scan_batch_seconds=60.0, scan_concurrency=1)
    bench.keep(*(container(f"web-{n}") for n in range(5)))
    bench.scanner.meanwhile = lambda: bench.clock.sleep(40)
    assert bench.inspections.round() == 2


def test_no_more_images_are_scanned_at_a_time_than_allowed() -> None:
    bench = Bench(scan_concurrency=2)
    bench.keep(*(container(f"web-{n}") for n in range(6)))
    guard, at_once, most = threading.Lock(), [0], [0]
    together = threading.Barrier(2)

    def count() -> None:
        with guard:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        together.wait(5)
        with guard:
            at_once[0] -= 1

    bench.scanner.meanwhile = count
    assert bench.inspections.round() == 6
    assert most[0] == 2


def test_rounds_alert_about_news_only(bench: Bench) -> None:
    bench.keep(container("web"))
    for _ in range(3):
        bench.inspections.round(timedelta(0))
        bench.clock.at += timedelta(hours=1)
    assert bench.alerts() == 1
    bench.scanner.findings = [Vulnerability("CVE-1", "CRITICAL"), Vulnerability("CVE-2", "HIGH")]
    bench.inspections.round(timedelta(0))
    assert bench.alerts() == 2


def test_another_finding_is_told_however_soon_it_comes_and_the_same_one_not_twice() -> None:
    bench = Bench(scan_notifications=True)
    bench.keep(container("web"))
    bench.inspections.round(timedelta(0))
    bench.scanner.findings = (Vulnerability("CVE-1", "CRITICAL"), Vulnerability("CVE-2", "HIGH"))
    bench.clock.at += timedelta(minutes=1)
    bench.inspections.round(timedelta(0))
    bench.inspections.round(timedelta(0))
    assert [details for _, details, _ in bench.voice.alerts] == [
        "web:1.2.3: 1 critical (trivy)", "web:1.2.3: 1 critical, 1 high (trivy)"
    ]  # fmt: skip
    assert bench.alerts() == 2


def test_alerts_of_a_round_are_told_in_its_cycle_which_is_over_in_the_end() -> None:
    bench = Bench(scan_notifications=True)
    bench.keep(container("web"), container("db"))
    bench.inspections.round()
    ((_, _, first), (_, _, second)) = bench.voice.alerts
    assert first is not None and bench.voice.over == [first] and first == second
    assert first.until == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(("wanted", "told"), [(False, []), (True, ["web"])])
def test_rounds_tell_triggers_only_where_that_is_wanted(wanted: bool, told: list[str]) -> None:
    bench = Bench(scan_notifications=wanted)
    bench.keep(container("web"))
    bench.inspections.round(timedelta(0))
    assert (bench.voice.told, bench.alerts()) == (told, 1)


def test_a_container_that_runs_another_image_by_now_keeps_nothing_of_the_old_one(bench: Bench) -> None:
    web = container("web")
    moved = replace(web, image=replace(web.image, id="sha256:" + "7" * 64))
    bench.keep(web)
    bench.scanner.meanwhile = lambda: bench.keep(moved)
    bench.inspections.round()
    found = bench.now(web)
    assert (found.image.id, found.security) == (moved.image.id, NOTHING_KNOWN)


def test_a_candidate_that_is_another_by_now_is_not_judged_by_the_old_one(bench: Bench) -> None:
    web = with_update(container("web"))
    bench.keep(web)
    newer = with_update(container("web"), tag="2.0.0", age=timedelta(0))
    bench.scanner.meanwhile = lambda: bench.keep(newer)
    bench.inspections.round()
    found = bench.now(web).security
    assert found.scan is not None
    assert (found.update_scan, found.blocked) == (None, None)


def test_what_a_check_wrote_meanwhile_stays(bench: Bench) -> None:
    web = container("web")
    bench.keep(web)
    bench.scanner.meanwhile = lambda: bench.keep(replace(web, status="exited"))
    bench.inspections.round()
    now = bench.now(web)
    assert now.status == "exited"
    assert now.security.scan is not None


def test_a_container_that_is_gone_by_now_is_no_trouble(bench: Bench) -> None:
    web, other = container("web"), container("other")
    bench.keep(web, other)
    bench.scanner.meanwhile = lambda: bench.containers.remove([web.identity])
    assert bench.inspections.round() == 1
    assert bench.containers.get(web.identity) is None


def test_a_registry_that_is_down_leaves_what_is_known_of_the_candidate(bench: Bench) -> None:
    web = with_update(container("web"))
    bench.keep(web)
    bench.inspections.round()
    known = bench.now(web).security
    bench.registries.down = True
    bench.clock.at += timedelta(hours=1)
    bench.scanner.findings = []
    bench.inspections.round(timedelta(0))
    found = bench.now(web).security
    assert found.update_scan == known.update_scan
    assert found.scan is not None and found.scan.summary == Summary()


def test_a_check_that_finds_another_candidate_forgets_the_old_ones_scan(bench: Bench) -> None:
    web = with_update(container("web"))
    bench.keep(web)
    bench.inspections.round()
    now = bench.now(web)
    found = {"same": web, "other": with_update(web, tag="2.0.0", age=timedelta(0)), "none": container("web")}
    kept = {name: with_findings(now, checked, GateRules()).security for name, checked in found.items()}
    assert now.security.blocked is not None
    assert kept["same"] == now.security
    assert kept["other"] == kept["none"] == now.security.without_candidate()


def test_a_gate_that_was_switched_off_blocks_no_more(bench: Bench) -> None:
    web = with_update(container("web"))
    bench.keep(web)
    bench.inspections.round()
    now = bench.now(web)
    checked = with_findings(now, web, GateRules(on=False))
    assert checked.security == replace(now.security, blocked=None)


def test_a_check_of_what_was_never_scanned_changes_nothing() -> None:
    web = container("web")
    assert with_findings(web, web, GateRules()).security == NOTHING_KNOWN
