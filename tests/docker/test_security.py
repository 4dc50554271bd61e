"""Scans, signatures, bills of materials and the gate, from request to engine and back, with stand-ins for the tools."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.builders.api import conform
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.secured import BASE, NEW, NEWEST, OLD, Place, place_on
from tests.docker.site import wait_for
from tests.store_process import running_store

CLEAN, SEVERE = "trivy-clean.json", "trivy-0.57.json"
NOTHING = {"unknown": 0, "low": 0, "medium": 0, "high": 0, "critical": 0}

Open = Callable[..., Place]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("security-store")) as process:
        yield process.url


@pytest.fixture
def opened(engine_host: EngineHost, registry: ImageRegistry, store: str, tmp_path: Path) -> Iterator[Open]:
    """Opens a place with these settings."""
    with ExitStack() as stack:

        def open_place(**settings: str) -> Place:
            made: AbstractContextManager[Place] = place_on(engine_host, registry, store, tmp_path, **settings)
            return stack.enter_context(made)

        yield open_place


def test_a_scan_looks_at_what_runs_and_at_what_could_run(opened: Open) -> None:
    place = opened()
    place.finds(old=SEVERE, new=CLEAN)
    status, body = place.post("scan")
    assert status == 200, body
    conform("Container", body)
    scan, candidate = body["security"]["scan"], body["security"]["updateScan"]
    assert (scan["status"], scan["blockingCount"], scan["scanner"]) == ("blocked", 3, "trivy")
    assert scan["summary"] == {"unknown": 1, "low": 1, "medium": 0, "high": 2, "critical": 1}
    assert [one["severity"] for one in scan["vulnerabilities"]] == ["CRITICAL", "HIGH", "LOW", "UNKNOWN", "HIGH"]
    assert (candidate["status"], candidate["summary"]) == ("passed", NOTHING)
    assert scan["imageDigest"] == place.digest(OLD)
    assert candidate["image"] == place.site.reference(NEW)
    assert place.scanned() == [place.digest(OLD), place.digest(NEW)]


def test_findings_stay_out_of_lists_unless_they_are_asked_for(opened: Open) -> None:
    place = opened()
    place.finds(old=SEVERE, new=CLEAN)
    place.post("scan")
    listed = place.container()["security"]["scan"]
    assert (listed["vulnerabilities"], listed["blockingCount"]) == ([], 3)
    full = {one["name"]: one for one in place.get(f"{BASE}?includeVulnerabilities=true")["data"]}
    assert len(full[place.subjects["web"].name]["security"]["scan"]["vulnerabilities"]) == 5
    assert place.container()["security"]["scan"]["vulnerabilities"] == [], "what was shown once is not kept"
    assert place.get(place.path())["security"]["scan"]["vulnerabilities"][0]["id"] == "CVE-2023-45853"


def test_containers_of_one_image_are_scanned_once_together(opened: Open) -> None:
    place = opened()
    place.finds(old=SEVERE, new=CLEAN)
    for name in ("web", "twin"):
        assert place.post("scan", name)[0] == 200
    assert sorted(place.scanned()) == sorted([place.digest(OLD), place.digest(NEW)])
    for name in ("web", "twin"):
        assert place.container(name)["security"]["scan"]["status"] == "blocked"


def test_what_was_found_can_be_read_by_container_by_image_and_in_numbers(opened: Open) -> None:
    place = opened()
    before = place.get(f"{place.path()}/vulnerabilities")
    conform("VulnerabilityResult", before | {"scanner": None, "scannedAt": None})
    assert (before["status"], before["summary"], before["vulnerabilities"]) == ("not-scanned", NOTHING, [])
    place.finds(old=SEVERE, new=CLEAN)
    place.post("scan")
    newest = place.get(f"{place.path()}/vulnerabilities")
    conform("VulnerabilityResult", newest)
    assert newest["image"] == place.site.reference(NEW), "the candidate was scanned last"
    overview = place.get(f"{BASE}/security/vulnerabilities")
    conform("VulnerabilityOverview", overview)
    (image,) = [one for one in overview["images"] if one["image"] == place.subjects["web"].name]
    assert (overview["scannedContainers"], len(image["vulnerabilities"])) == (1, 5)
    assert (image["containerIds"], image["updateSummary"]) == ([place.container()["id"]], NOTHING)
    assert image["vulnerabilities"][0]["package"] == "zlib1g"
    page = place.get(f"{BASE}/security/vulnerabilities?limit=2&offset=4")
    assert (page["total"], page["hasMore"], len(page["images"][0]["vulnerabilities"])) == (5, False, 1)
    assert place.get(f"{BASE}/summary")["security"] == {"issues": 1}


def test_what_was_found_survives_checks_and_is_told_of_once(opened: Open) -> None:
    place = opened()
    place.finds(old=SEVERE, new=CLEAN)
    place.post("scan")
    place.post("scan")
    found = place.container()["security"]
    place.watch()
    place.watch()
    assert place.container()["security"] == found
    (alert,) = place.audit("security-alert")
    assert "1 critical, 2 high" in alert


def test_a_scanner_that_fails_is_told_of_as_data(opened: Open) -> None:
    place = opened()
    place.finds(old={"code": 1, "error": "FATAL: no such manifest"}, new={"does": "die"})
    status, body = place.post("scan")
    assert status == 200
    conform("Container", body)
    scan = body["security"]["scan"]
    assert (scan["status"], scan["summary"], scan["vulnerabilities"]) == ("error", NOTHING, [])
    assert "no such manifest" in scan["error"]
    assert "signal 9" in body["security"]["updateScan"]["error"]
    assert place.get(f"{BASE}/summary")["security"] == {"issues": 0}


def boms(place: Place) -> list[Any]:
    """The calls of trivy that made a bill of materials."""
    calls = [call for call in place.tools.calls("trivy") if "--format" in call["argv"]]
    return [call for call in calls if "version" not in call["argv"]]


def test_a_bill_of_materials_is_made_when_it_is_first_asked_for(opened: Open) -> None:
    place = opened()
    assert place.call("GET", f"{BASE}/{'0' * 64}/sbom?format=word")[0] == 400
    assert place.call("GET", f"{BASE}/{'0' * 64}/sbom")[0] == 404
    for format, mark in (("spdx-json", "spdxVersion"), ("CycloneDX-JSON", "bomFormat"), ("", "spdxVersion")):
        body = place.get(f"{place.path()}/sbom?format={format}")
        conform("SbomResponse", body)
        assert mark in body["document"]
        assert (body["generator"], body["image"]) == ("trivy", place.site.reference(OLD))
    assert len(boms(place)) == 2
    assert sorted(place.container()["security"]["sbom"]["formats"]) == ["cyclonedx-json", "spdx-json"]
    assert place.get(f"{place.path('twin')}/sbom")["document"]["spdxVersion"] == "SPDX-2.3"
    assert len(boms(place)) == 2


def test_a_bill_of_materials_that_cannot_be_made_is_an_error(opened: Open) -> None:
    place = opened()
    place.tools.play("trivy", {"code": 1, "error": "no such image"})
    status, body = place.call("GET", f"{place.path()}/sbom")
    assert (status, set(body)) == (500, {"error"})
    assert "no such image" in body["error"]


def test_without_a_scanner_nothing_is_scanned_or_made(opened: Open) -> None:
    place = opened(DD_SECURITY_SCANNER="")
    for method, path in (("POST", "scan"), ("GET", "sbom")):
        status, body = place.call(method, f"{place.path()}/{path}")
        assert status == 400, body
        assert "DD_SECURITY_SCANNER" in body["error"]
    assert place.post("update")[0] == 200, "and nothing is gated"
    assert place.tools.calls() == []


def test_a_candidate_that_is_blocked_is_not_moved_to(opened: Open) -> None:
    place = opened()
    place.finds(old=CLEAN, new=SEVERE)
    before = place.runs()["Id"]
    status, body = place.post("update")
    assert status == 409, body
    assert "3 findings" in body["error"]
    (operation,) = place.get(f"{place.path()}/update-operations")["data"]
    assert (operation["id"], operation["status"]) == (body["operationId"], "failed")
    assert (place.runs()["Id"], place.runs()["State"]["Running"]) == (before, True)
    assert not place.has_image(NEW), "nothing of it is left on the engine"
    assert place.container()["security"]["updateScan"]["status"] == "blocked"
    assert "3 findings" in place.audit("update-failed")[0]
    again, body = place.post("update")
    assert (again, "operationId" in body) == (409, False)
    assert len(place.get(f"{place.path()}/update-operations")["data"]) == 1
    assert place.scanned() == [place.digest(NEW)]


def test_another_candidate_is_judged_anew_and_known_once_it_runs(opened: Open) -> None:
    place = opened()
    place.finds(new=SEVERE)
    assert place.post("update")[0] == 409
    place.publish(NEWEST)
    place.finds(new=SEVERE, newest="trivy-0.18.json")
    place.services.registries.close()
    wait_for(lambda: place.watch() or place.container()["result"]["tag"] == NEWEST, 70)
    now = place.container()
    assert "security" not in now, (now["security"], now["result"], now.get("updateDetectedAt"), now["updateKind"])
    status, body = place.post("update")
    assert status == 200, body
    assert place.runs()["Config"]["Image"] == place.site.reference(NEWEST)
    assert body["security"]["scan"]["summary"]["medium"] == 1
    assert "updateScan" not in body["security"]
    assert place.scanned()[-1] == place.digest(NEWEST)


def test_a_tag_that_was_here_before_goes_back_to_its_image(opened: Open, engine_host: EngineHost) -> None:
    place = opened()
    host, reference = engine_host.http, place.site.reference(NEW)
    host.post(
        f"/images/{place.site.reference(OLD)}/tag",
        params=dict(zip(("repo", "tag"), reference.rsplit(":", 1), strict=True)),
    )
    place.finds(new=SEVERE)
    assert place.post("update")[0] == 409
    assert host.get(f"/images/{reference}/json").json()["Id"] == place.runs()["Image"]


@pytest.mark.parametrize(
    ("settings", "new", "status"),
    [
        ({"label": "off"}, SEVERE, 200),
        ({"label": "on", "DD_SECURITY_GATE_MODE": "off"}, SEVERE, 409),
        ({"DD_SECURITY_AVAILABILITY_POLICY": "warn"}, {"does": "die"}, 200),
        ({"DD_SECURITY_TRIVY_COMMAND": "/no/such/trivy"}, CLEAN, 409),
    ],
    ids=["label-off", "label-on", "warn", "no-scanner"],
)
def test_the_gate_is_as_strict_as_it_is_told(opened: Open, settings: dict[str, str], new: object, status: int) -> None:
    place = opened(**settings)
    place.finds(new=new)  # type: ignore[arg-type]
    assert place.post("update")[0] == status
    wanted = NEW if status == 200 else OLD
    assert place.runs()["Config"]["Image"] == place.site.reference(wanted)
    assert place.runs()["State"]["Running"]


@pytest.mark.parametrize(("old", "new", "status"), [(SEVERE, SEVERE, 200), ("trivy-0.18.json", SEVERE, 409)])
def test_a_relative_gate_lets_pass_what_is_no_worse(opened: Open, old: str, new: str, status: int) -> None:
    place = opened(DD_SECURITY_GATE_RELATIVE="true")
    place.finds(old=old, new=new)
    assert place.post("update")[0] == status
    slot = "scan" if status == 200 else "updateScan"
    decision = place.container()["security"][slot]["relativeGate"]["decision"]
    assert decision == ("passed" if status == 200 else "blocked")


def test_an_unsigned_candidate_is_not_moved_to(opened: Open) -> None:
    place = opened(DD_SECURITY_VERIFY_SIGNATURES="true", DD_SECURITY_COSIGN_KEY="/keys/cosign.pub")
    place.finds(old=CLEAN, new=CLEAN)
    place.tools.play("cosign", {"code": 10, "complaint": "cosign-2.6-unsigned.txt"})
    status, body = place.post("update")
    assert status == 409
    assert "signature" in body["error"]
    signature = place.container()["security"]["updateSignature"]
    assert (signature["status"], signature["keyless"], signature["signatures"]) == ("unverified", False, 0)
    assert place.scanned() == [], "what is not signed is not even scanned"
    place.tools.play("cosign", {"output": "cosign-2.6-key.json"})
    assert place.post("scan")[0] == 200
    status, body = place.post("update")
    assert status == 200, body
    assert body["security"]["signature"]["status"] == "verified"
    conform("Container", body)


def test_signatures_are_asked_for_without_a_scanner_and_anew_at_every_attempt(opened: Open) -> None:
    place = opened(DD_SECURITY_SCANNER="", DD_SECURITY_VERIFY_SIGNATURES="true", DD_SECURITY_COSIGN_KEY="/keys/c.pub")
    place.tools.play("cosign", {"code": 10, "complaint": "cosign-2.6-unsigned.txt"})
    for _ in range(2):
        status, body = place.post("update")
        assert (status, "signature" in body["error"]) == (409, True)
    place.tools.play("cosign", {"output": "cosign-2.6-key.json"})
    status, body = place.post("update")
    assert status == 200, body
    assert place.scanned() == []
