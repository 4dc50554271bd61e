"""The gate: what may pass, what may not, and what becomes of knowledge when containers change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.container import Candidate, UpdateKind
from chalicelib.domain.gate import GateRules, applies, compared, judged, refusal, same_offer
from chalicelib.domain.security import Sbom, Scan, Security, Signature, subject_key
from chalicelib.domain.vulnerability import Summary
from tests.builders.containers import NOW

RULES = GateRules()
RELATIVE = GateRules(relative=True)
WARN = GateRules(availability="warn")


def scan(counts: Summary, **more: object) -> Scan:
    return Scan("trivy", "web:2", "sha256:new", NOW, ("CRITICAL", "HIGH"), counts, **more)  # type: ignore[arg-type]


def signature(status: str) -> Signature:
    return Signature("web:2", "sha256:new", NOW, status, True, 1 if status == "verified" else 0, "why")


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        (Summary(), "passed"),
        (Summary(medium=7, unknown=2), "passed"),
        (Summary(high=1), "blocked"),
        (Summary(critical=1), "blocked"),
    ],
)
def test_a_scan_is_blocked_by_the_severities_that_block(counts: Summary, status: str) -> None:
    assert scan(counts).status == status
    assert (refusal(RULES, scan(counts), None) is None) is (status == "passed")


def test_without_blocking_severities_scans_are_advice() -> None:
    advice = replace(scan(Summary(critical=3)), block_severities=())
    assert (advice.status, advice.blocking_count, refusal(RULES, advice, None)) == ("passed", 0, None)


def test_a_refusal_says_what_was_found() -> None:
    assert "3 findings" in (refusal(RULES, scan(Summary(critical=1, high=2, low=9)), None) or "")


def test_a_scanner_that_fails_blocks_unless_a_warning_is_enough() -> None:
    failed = scan(Summary(), failed=True, error="out of time")
    assert failed.status == "error"
    assert "out of time" in (refusal(RULES, failed, None) or "")
    assert refusal(WARN, failed, None) is None


@pytest.mark.parametrize(
    ("status", "rules", "passes"),
    [
        ("verified", RULES, True),
        ("unverified", RULES, False),
        ("unverified", WARN, False),
        ("error", RULES, False),
        ("error", WARN, True),
    ],
)
def test_a_signature_must_be_valid(status: str, rules: GateRules, passes: bool) -> None:
    assert (refusal(rules, None, signature(status)) is None) is passes


@pytest.mark.parametrize(
    ("candidate", "current", "passes"),
    [
        (Summary(critical=1), Summary(critical=1), True),
        (Summary(critical=1), Summary(critical=2, low=1), True),
        (Summary(critical=2), Summary(critical=1), False),
        (Summary(critical=1, low=1), Summary(critical=1), False),
        (Summary(), Summary(), True),
    ],
)
def test_a_relative_gate_lets_pass_what_is_no_worse_in_any_severity(
    candidate: Summary, current: Summary, passes: bool
) -> None:
    judged_scan = compared(scan(candidate), scan(current))
    assert (refusal(RELATIVE, judged_scan, None) is None) is passes


@pytest.mark.parametrize("current", [None, scan(Summary(), failed=True)])
def test_a_relative_gate_needs_something_to_compare_with(current: Scan | None) -> None:
    judged_scan = compared(scan(Summary(high=1)), current)
    assert judged_scan.relative is not None and judged_scan.relative.reason == "current-scan-unavailable"
    assert refusal(RELATIVE, judged_scan, None) is not None
    assert refusal(RELATIVE, compared(scan(Summary()), current), None) is None


@pytest.mark.parametrize(
    ("labels", "on", "gated"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"dd.security.gate": "off"}, True, False),
        ({"dd.security.gate": "ON"}, False, True),
    ],
)
def test_a_containers_label_has_the_last_word(labels: dict[str, str], on: bool, gated: bool) -> None:
    assert applies(GateRules(on=on), labels) is gated


def test_only_findings_are_remembered_as_a_refusal() -> None:
    failed = Security(update_scan=scan(Summary(), failed=True, error="x"), update_signature=signature("error"))
    assert judged(RULES, {}, failed).blocked is None
    bad = Security(update_scan=scan(Summary(critical=1)))
    assert judged(RULES, {}, bad).blocked is not None
    assert judged(RULES, {"dd.security.gate": "off"}, bad).blocked is None


def test_a_candidate_becomes_what_runs() -> None:
    known = Security(
        scan=replace(scan(Summary(high=4)), digest="sha256:old"),
        update_scan=scan(Summary(low=1)),
        update_signature=signature("verified"),
        update_sbom=Sbom("trivy", "web:2", "sha256:new", NOW, ("spdx-json",)),
        blocked="because",
    )
    moved = known.moved_to("sha256:new")
    assert moved.scan == known.update_scan
    assert moved.signature == known.update_signature
    assert moved.sbom == known.update_sbom
    assert (moved.update_scan, moved.blocked) == (None, None)
    assert not moved.severe


def test_a_container_of_another_image_is_not_known() -> None:
    assert Security(scan=scan(Summary(high=1))).moved_to("sha256:other") == Security()


def test_a_candidate_is_the_same_while_it_is_known_since_the_same_moment() -> None:
    kind = UpdateKind("tag", "1", "2")
    one = Candidate(kind, NOW)
    assert same_offer(one, replace(one, published_at=NOW))
    assert same_offer(None, None)
    assert not same_offer(one, replace(one, detected_at=NOW + timedelta(hours=1)))
    assert not same_offer(one, None)


def test_each_platform_of_an_index_is_a_subject_of_its_own() -> None:
    keys = {subject_key("sha256:x", "linux", *part) for part in (("amd64", None), ("arm64", None), ("arm", "v7"))}
    assert len(keys) == 3
