"""Walks the contract: vulnerabilities, scans and bills of materials, over a real store."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.agent import Agent
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Failed
from chalicelib.domain.security import SPDX, SbomReport, Scan, ScanReport, Security, subject_key
from chalicelib.domain.vulnerability import Summary, Vulnerability, summarise
from chalicelib.wire import schemas
from tests.builders.api import DOCKER_TRIGGER, Api, conform, nulls
from tests.builders.containers import NOW, container, with_update

LIST = "/api/v1/containers"
OVERVIEW = f"{LIST}/security/vulnerabilities"
NOBODY = "f" * 64
ZLIB = Vulnerability(
    "CVE-2023-45853", "CRITICAL", "web (debian)", "zlib1g", "1.2", "1.3", "Overflow", "https://x.test/1"
)
BASH = Vulnerability("TEMP-1", "LOW", package="bash", installed="5.2")


def scanned(api: Api, one: Container, findings: Sequence[Vulnerability], minutes: int = 0) -> Container:
    """The container with a scan of what it runs, whose findings are kept where findings are kept."""
    digest, at = one.image.identifying_digest, NOW + timedelta(minutes=minutes)
    counts = summarise(findings)
    api.services.reports.put_scan(
        ScanReport(key(one), "trivy", one.image.reference, digest, at, counts, tuple(findings))
    )
    scan = Scan("trivy", one.image.reference, digest, at, ("CRITICAL", "HIGH"), counts)
    return replace(one, security=replace(one.security, scan=scan))


def key(one: Container) -> str:
    return subject_key(one.image.identifying_digest, "linux", "amd64", None)


def with_scanner(api: Api, scanner: str = "trivy", *, seen: bool = True) -> None:
    at = NOW if seen else NOW.replace(year=2020)
    facts = {"triggers": [DOCKER_TRIGGER], "security": {"scanner": scanner}}
    api.services.agents.report(Agent("local", facts=facts), at)


def test_a_container_that_was_never_scanned_says_so(api: Api) -> None:
    api.add(container("web"))
    body = api.get(f"{LIST}/{container('web').id}/vulnerabilities").must_be(200)
    assert (body["status"], body["vulnerabilities"], body["blockingCount"]) == ("not-scanned", [], 0)
    assert set(body["summary"].values()) == {0}
    assert nulls(body) == []


def test_the_newest_scan_is_answered_whole_without_any_scanner(api: Api) -> None:
    web = scanned(api, container("web"), [ZLIB, BASH])
    api.add(web)
    body = api.get(f"{LIST}/{web.id}/vulnerabilities").must_be(200, "VulnerabilityResult")
    assert [one["id"] for one in body["vulnerabilities"]] == ["CVE-2023-45853", "TEMP-1"]
    assert (body["status"], body["blockingCount"], body["image"]) == ("blocked", 1, "web:1.2.3")
    assert body["vulnerabilities"][0] == {
        "id": "CVE-2023-45853",
        "severity": "CRITICAL",
        "target": "web (debian)",
        "packageName": "zlib1g",
        "installedVersion": "1.2",
        "fixedVersion": "1.3",
        "title": "Overflow",
        "primaryUrl": "https://x.test/1",
    }
    assert nulls(body) == []


def test_findings_whose_report_is_gone_still_count(api: Api) -> None:
    web = container("web")
    digest = "sha256:" + "e" * 64
    lost = Scan("trivy", "web:1.2.3", digest, NOW, ("HIGH",), Summary(high=3))
    api.add(replace(web, security=Security(scan=lost)))
    body = api.get(f"{LIST}/{web.id}/vulnerabilities").must_be(200, "VulnerabilityResult")
    assert (body["summary"]["high"], body["vulnerabilities"]) == (3, [])


def test_severe_findings_are_counted_by_container(api: Api) -> None:
    api.add(
        scanned(api, container("web"), [ZLIB]),
        scanned(api, container("db"), [BASH]),
        scanned(api, container("app"), []),
        container("new"),
    )
    assert api.get(f"{LIST}/summary").must_be(200, "ContainerSummary")["security"] == {"issues": 1}


def test_lists_carry_findings_only_when_asked(api: Api) -> None:
    web = scanned(api, container("web"), [ZLIB, BASH])
    api.add(web)
    for query, count in (("", 0), ("?includeVulnerabilities=false", 0), ("?includeVulnerabilities=true", 2), ("", 0)):
        (listed,) = api.get(f"{LIST}{query}").must_be(200, "ContainerList")["data"]
        scan = listed["security"]["scan"]
        assert (len(scan["vulnerabilities"]), scan["summary"]["critical"]) == (count, 1)


def test_the_overview_groups_by_display_name_in_base_order(api: Api) -> None:
    web = scanned(api, container("web"), [ZLIB, BASH])
    twin = replace(scanned(api, container("twin"), [BASH], minutes=5), display_name="web")
    candidate = Scan("trivy", "twin:2", "sha256:x", NOW, (), Summary(medium=4))
    twin = replace(twin, security=replace(twin.security, update_scan=candidate))
    api.add(web, twin, scanned(api, container("clean"), []), container("new"))
    body = api.get(OVERVIEW).must_be(200, "VulnerabilityOverview")
    assert (body["totalContainers"], body["scannedContainers"], body["total"]) == (4, 3, 3)
    assert body["latestScannedAt"] == "2026-11-23T12:05:00.000Z"
    clean, both = body["images"]
    assert (clean["image"], clean["vulnerabilities"]) == ("clean", [])
    assert (both["image"], both["containerIds"]) == ("web", [twin.id, web.id])
    assert both["updateSummary"]["medium"] == 4
    assert [one["id"] for one in both["vulnerabilities"]] == ["TEMP-1", "CVE-2023-45853", "TEMP-1"]
    assert both["vulnerabilities"][0]["fixedIn"] == ""
    assert nulls(body) == []


def test_an_overview_before_the_first_scan_has_every_member_all_the_same(api: Api) -> None:
    api.add(container("web"))
    body = api.get(OVERVIEW).must_be(200, "VulnerabilityOverview")
    assert (body["totalContainers"], body["scannedContainers"], body["images"]) == (1, 0, [])
    assert body["latestScannedAt"] is None


@pytest.mark.parametrize(
    ("query", "pages", "more"),
    [
        ("limit=2", [("a", 2)], True),
        ("limit=2&offset=1", [("a", 1), ("c", 1)], True),
        ("limit=2&offset=2", [("c", 2)], False),
        ("limit=9&offset=9", [], False),
        ("offset=3", [("c", 1)], False),
        ("limit=0", [("a", 2), ("b", 0), ("c", 2)], False),
    ],
)
def test_the_overview_is_paged_by_finding(api: Api, query: str, pages: list[tuple[str, int]], more: bool) -> None:
    api.add(
        scanned(api, container("a"), [ZLIB, BASH]),
        scanned(api, container("b"), []),
        scanned(api, container("c"), [ZLIB, BASH]),
    )
    body = api.get(f"{OVERVIEW}?{query}").must_be(200)
    assert [(one["image"], len(one["vulnerabilities"])) for one in body["images"]] == pages
    assert (body["total"], body["hasMore"]) == (4, more)


def test_an_overview_of_nothing_is_empty(api: Api) -> None:
    body = api.get(OVERVIEW).must_be(200)
    assert (body["totalContainers"], body["scannedContainers"], body["images"], body["total"]) == (0, 0, [], 0)


def test_a_scan_needs_a_container_then_a_scanner_then_its_agent(api: Api) -> None:
    web = container("web")
    api.add(web)
    scan = f"{LIST}/{web.id}/scan"
    api.call("POST", f"{LIST}/{NOBODY}/scan").must_be(404)
    assert "DD_SECURITY_SCANNER" in api.call("POST", scan).must_be(400, "Error")["error"]
    with_scanner(api, seen=False)
    api.call("POST", scan).must_be(500, "Error")
    with_scanner(api)
    api.host.failure = Failed("the engine is on fire")
    assert "on fire" in api.call("POST", scan).must_be(500, "Error")["error"]


def test_a_scan_that_takes_long_can_be_followed(api: Api) -> None:
    web = container("web")
    api.add(web)
    with_scanner(api)
    api.host.silent = True
    answer = api.call("POST", f"{LIST}/{web.id}/scan", prefer="respond-async")
    body = answer.must_be(202)
    assert answer.headers["location"].endswith(body["operationId"])
    followed = api.get(answer.headers["location"]).must_be(200)
    assert (followed["kind"], followed["state"]) == ("scan", "queued")


def test_scans_are_limited_to_thirty_a_minute(api: Api) -> None:
    web = container("web")
    api.add(web)
    answers = [api.call("POST", f"{LIST}/{web.id}/scan") for _ in range(31)]
    assert {one.status for one in answers[:30]} == {400}
    answers[30].must_be(429, "Error")
    assert answers[30].headers["ratelimit-limit"] == "30"


@pytest.mark.parametrize("format", ["", "spdx-json", "SPDX-JSON", "%20spdx-json"])
def test_a_stored_bill_of_materials_is_answered_without_any_scanner(api: Api, format: str) -> None:
    web = container("web")
    api.add(web)
    document = {"spdxVersion": "SPDX-2.3", "packages": []}
    api.services.reports.put_sbom(SbomReport(key(web), SPDX, "trivy", "web:1.2.3", NOW, json.dumps(document).encode()))
    body = api.get(f"{LIST}/{web.id}/sbom?format={format}").must_be(200, "SbomResponse")
    assert (body["document"], body["generator"], body["format"]) == (document, "trivy", "spdx-json")


def test_a_bill_of_materials_needs_a_known_format_a_container_and_a_scanner(api: Api) -> None:
    web = container("web")
    api.add(web)
    assert "spdx-json, cyclonedx-json" in api.get(f"{LIST}/{NOBODY}/sbom?format=xml").must_be(400, "Error")["error"]
    api.get(f"{LIST}/{NOBODY}/sbom").must_be(404, "Error")
    api.get(f"{LIST}/{web.id}/sbom").must_be(400, "Error")


def test_a_blocked_candidate_is_not_even_asked_for(api: Api) -> None:
    web = with_update(container("web"))
    api.add(replace(web, security=Security(blocked="The security gate blocks web:1.3.0: 3 findings.")))
    body = api.call("POST", f"{LIST}/{web.id}/update").must_be(409, "Error")
    assert body == {"error": "The security gate blocks web:1.3.0: 3 findings."}
    assert api.host.performed == []
    assert api.services.operations.history(web.identity) == []
    conform("Container", api.get(f"{LIST}/{web.id}").must_be(200))


def test_whether_images_can_be_looked_into_is_told_with_what_is_missing(api: Api) -> None:
    runtime = "/api/v1/server/security/runtime"
    none = api.get(runtime).must_be(200)
    assert (none["ready"], none["scanner"]["status"], none["signature"]["enabled"]) == (False, "disabled", False)
    tools = [
        {"name": "trivy", "command": "/opt/trivy", "available": True},
        {"name": "cosign", "command": "cosign", "available": False},
    ]
    facts = {"scanner": "trivy", "signatures": True, "sbom": True, "formats": ["spdx-json"], "tools": tools}
    api.services.agents.report(Agent("local", facts={"security": facts}), NOW)
    some = api.get(runtime).must_be(200)
    assert (some["ready"], some["requirements"]) == (False, ["cosign is not there on agent local"])
    assert (some["scanner"]["command"], some["scanner"]["commandAvailable"]) == ("/opt/trivy", True)
    assert (some["signature"]["status"], some["sbom"]) == ("missing", {"enabled": True, "formats": ["spdx-json"]})
    schemas.check("SecurityRuntime", some)
