"""What scanners write is read as they mean it, in every version; what is no report never passes for a clean image."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.security import CYCLONEDX, SPDX
from chalicelib.domain.vulnerability import SEVERITIES, Vulnerability
from chalicelib.ports.scanner import ScannerError
from local_runtime.executor.scanners import document as documents
from local_runtime.executor.scanners import grype, trivy
from local_runtime.executor.scanners.cosign import count_signatures
from local_runtime.executor.scanners.document import NoReport
from local_runtime.executor.scanners.sbom import require_sbom
from tests.builders.tools import DOCUMENTS, document

Parse = Callable[[bytes], Sequence[Vulnerability]]

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["Results", "matches", "Vulnerabilities", "vulnerability", "artifact", "Severity", "fix", "x"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


def test_trivy_tells_all_it_knows_of_a_finding() -> None:
    zlib, expat, bash, apt, spawn = trivy.parse(document("trivy-0.57.json"))
    assert (zlib.id, zlib.severity, zlib.package) == ("CVE-2023-45853", "CRITICAL", "zlib1g")
    assert (zlib.installed, zlib.fixed) == ("1:1.2.13.dfsg-1", None)
    assert zlib.target == "127.0.0.1:5000/web:1 (debian 12.7)"
    assert zlib.url == "https://avd.aquasec.com/nvd/cve-2023-45853"
    assert zlib.published == "2023-10-14T02:15:09.323Z"
    assert (expat.fixed, expat.aliases) == ("2.5.0-1+deb12u1", ("DSA-5770-1",))
    assert bash.url is None, "a script must not become a link"
    assert apt.severity == "UNKNOWN"
    assert spawn.target == "usr/local/lib/node_modules/npm/node_modules/cross-spawn/package.json"


def test_trivy_before_0_20_wrote_a_bare_list() -> None:
    (musl,) = trivy.parse(document("trivy-0.18.json"))
    assert (musl.id, musl.severity, musl.fixed) == ("CVE-2020-28928", "MEDIUM", "1.1.24-r10")
    assert musl.url == "https://nvd.nist.gov/vuln/detail/CVE-2020-28928"


@pytest.mark.parametrize("name", ["trivy-clean.json", "trivy-null-results.json"])
def test_a_clean_image_has_no_findings(name: str) -> None:
    assert trivy.parse(document(name)) == []


def test_grype_tells_all_it_knows_of_a_finding() -> None:
    found = {one.id: one for one in grype.parse(document("grype-0.121.json"))}
    spawn, expat, xml = found["GHSA-3xgq-45jj-v275"], found["CVE-2024-45490"], found["CVE-2023-52426"]
    jinja, perl = found["GHSA-h75v-3vvj-5mfj"], found["CVE-2011-4116"]
    assert len(found) == 5
    assert (spawn.severity, spawn.package, spawn.installed, spawn.fixed) == ("HIGH", "cross-spawn", "7.0.3", "7.0.5")
    assert (spawn.aliases, spawn.scanners) == (("CVE-2024-21538",), ("grype",))
    assert spawn.url == "https://github.com/advisories/GHSA-3xgq-45jj-v275"
    assert spawn.target == "/usr/local/lib/node_modules/npm/node_modules/cross-spawn/package.json"
    assert spawn.title == "Regular Expression Denial of Service (ReDoS) in cross-spawn"
    assert (expat.target, expat.fixed) == ("/var/lib/dpkg/status", "2.5.0-1+deb12u1")
    assert expat.aliases == (), "Grype names a weakness as related to itself when NVD has it under the same name"
    assert (xml.severity, xml.fixed) == ("MEDIUM", None), "what will not be fixed has no fixed version"
    assert (jinja.package, jinja.severity) == ("jinja2", "MEDIUM")
    assert perl.severity == "UNKNOWN", "Negligible is nobody's assessment"
    assert grype.parse(document("grype-0.121-clean.json")) == []


def test_grype_with_its_databases_of_schema_5_wrote_the_same_shape() -> None:
    zlib, spawn, perl = grype.parse(document("grype-0.85.json"))
    assert (zlib.severity, zlib.fixed, zlib.target) == ("HIGH", None, "/var/lib/dpkg/status")
    assert (spawn.fixed, spawn.aliases) == ("7.0.5", ("CVE-2024-21538",))
    assert spawn.url == "https://github.com/advisories/GHSA-3xgq-45jj-v275"
    assert perl.severity == "UNKNOWN"


def test_grype_before_0_27_wrote_one_fixed_version_and_plain_places() -> None:
    (apk,) = grype.parse(document("grype-0.24.json"))
    assert (apk.severity, apk.fixed, apk.target) == ("CRITICAL", "2.12.6-r0", "/lib/apk/db/installed")


@pytest.mark.parametrize("parse", [trivy.parse, grype.parse])
@pytest.mark.parametrize(
    "output",
    [b"", b"null", b"{}", b"[]x", b'"text"', b"7", b'{"Results"', b"\x00\xff", b'{"error": "no"}', b"[" * 100_000],
    ids=lambda value: repr(value[:12]),
)
def test_what_is_no_report_is_an_error(parse: Parse, output: bytes) -> None:
    with pytest.raises(NoReport):
        parse(output)


@pytest.mark.parametrize(
    ("parse", "output"),
    [
        (trivy.parse, b'{"Results": "none"}'),
        (trivy.parse, b'{"Results": [1]}'),
        (trivy.parse, b'{"Results": [{"Vulnerabilities": {}}]}'),
        (grype.parse, b'{"matches": {"a": 1}}'),
        (grype.parse, b'{"matches": ["x"]}'),
    ],
)
def test_a_report_of_another_shape_is_an_error(parse: Parse, output: bytes) -> None:
    with pytest.raises(NoReport):
        parse(output)


@pytest.mark.parametrize("parse", [trivy.parse, grype.parse])
@given(value=_JSON)
def test_whatever_json_comes_is_read_or_refused(parse: Parse, value: object) -> None:
    for shape in (value, {"Results": [{"Vulnerabilities": [value]}]}, {"matches": [value]}):
        try:
            findings = parse(json.dumps(shape).encode())
        except ScannerError:
            continue
        assert all(one.severity in SEVERITIES and one.id for one in findings)


def test_a_report_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PARSE_LIMIT", 100)
    with pytest.raises(NoReport, match="too much"):
        trivy.parse(document("trivy-0.57.json"))


def test_long_texts_are_cut() -> None:
    (one,) = trivy.parse(b'{"Results":[{"Vulnerabilities":[{"VulnerabilityID":"x","Title":"' + b"y" * 9000 + b'"}]}]}')
    assert one.title is not None and len(one.title) == documents.LONGEST_TEXT


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("trivy-spdx.json", SPDX),
        ("trivy-cyclonedx.json", CYCLONEDX),
        ("syft-1.57-spdx.json", SPDX),
        ("syft-1.57-cyclonedx.json", CYCLONEDX),
    ],
)
def test_a_bill_of_materials_must_be_of_the_format_asked_for(name: str, format: str) -> None:
    assert require_sbom("tool", format, document(name)) == document(name).strip()
    other = CYCLONEDX if format == SPDX else SPDX
    with pytest.raises(NoReport):
        require_sbom("tool", other, document(name))


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("cosign-2.6-key.json", 1),
        ("cosign-2.6-two.json", 2),
        ("cosign-2.6-bundle.json", 1),
        ("cosign-2.6-identity.json", 1),
        ("cosign-1.2.ndjson", 1),
    ],
)
def test_signatures_are_counted_in_an_array_or_line_by_line(name: str, count: int) -> None:
    assert count_signatures(document(name)) == count
    assert count_signatures(document("cosign-1.2.ndjson") * 3) == 3


@pytest.mark.parametrize("name", sorted(file.name for file in DOCUMENTS.glob("*.json")))
def test_a_document_cut_anywhere_is_an_error(name: str) -> None:
    whole = document(name).strip()
    for part in (1, len(whole) // 2, len(whole) - 1):
        for read in (trivy.parse, grype.parse, count_signatures):
            with pytest.raises(NoReport):
                read(whole[:part])


def test_every_document_says_where_it_comes_from() -> None:
    told = (DOCUMENTS / "ORIGIN.md").read_text()
    files = {file.name for file in DOCUMENTS.iterdir()} - {"ORIGIN.md"}
    assert {line.split("`")[1] for line in told.splitlines() if line.startswith("| `")} == files


@pytest.mark.parametrize("output", [b"", b"[]", b"\n"])
def test_no_signature_is_none(output: bytes) -> None:
    assert count_signatures(output) == 0


@pytest.mark.parametrize("output", [b"{}", b"true", b"Verified OK", b'[{"x":1}]', b'{"critical":1}\n{"x"'])
def test_what_is_no_verification_proves_nothing(output: bytes) -> None:
    with pytest.raises(NoReport):
        count_signatures(output)
