"""Programs are called as each wants it, bounded in time and output, with no secret on any command line."""

from __future__ import annotations

import itertools
import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.config import load
from chalicelib.domain.container import Platform
from chalicelib.domain.security import CYCLONEDX, SPDX
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.scanner import Scanner, ScannerError, Subject
from chalicelib.usecases.assess_image import Instruments
from local_runtime.executor.scanners.call import Call, ToolFailed
from local_runtime.executor.scanners.process import (
    Finished,
    ToolKilled,
    ToolMissing,
    ToolTooLoud,
    ToolTooSlow,
    run,
)
from local_runtime.executor.scanners.toolbox import instruments
from local_runtime.executor.scanners.trivy import Trivy
from tests.builders.tools import StandIns
from tests.fakes.services import StillClock

DIGEST = "sha256:" + "4" * 64
AUTH = RegistryAuth("robot", "hunter2-secret", server="registry.test")
SUBJECT = Subject(
    reference=f"registry.test/web@{DIGEST}",
    name="registry.test/web:1",
    digest=DIGEST,
    platform=Platform("arm64", "linux", "v8"),
    registry="registry.test",
    auth=AUTH,
    engine_url="unix:///run/docker.sock",
)
LOCAL = replace(SUBJECT, reference="4" * 64, auth=None, local=True)
DATABASE_TROUBLE = "FATAL\tFatal error\tinit error: DB error: failed to download vulnerability DB: TOOMANYREQUESTS"


@pytest.fixture
def tools(tmp_path: Path) -> StandIns:
    return StandIns(tmp_path / "bin")


def made(tools: StandIns, scanner: str = "trivy", clock: StillClock | None = None, **settings: str) -> Instruments:
    """The instruments of an executor with these programs."""
    environment = {
        "HOME": "/home/slipway",
        "PATH": "/usr/bin:/bin",
        "DD_SESSION_SECRET": "slipway-secret-1234",
        "AWS_SECRET_ACCESS_KEY": "aws-secret",
        "TRIVY_INSECURE": "true",
        "DD_SECURITY_SCANNER": scanner,
        **{f"DD_SECURITY_{name.upper()}_COMMAND": tools.path(name) for name in ("trivy", "grype", "syft", "cosign")},
        **settings,
    }
    return instruments(load(environment).security, tools.folder.parent, clock or StillClock(), None)


def scanner_of(tools: StandIns, scanner: str = "trivy", clock: StillClock | None = None, **settings: str) -> Scanner:
    found = made(tools, scanner, clock, **settings).scanner
    assert found is not None
    return found


def test_without_a_scanner_there_are_no_instruments(tools: StandIns) -> None:
    assert made(tools, "") == Instruments()


def test_signatures_are_verified_without_a_scanner_too(tools: StandIns) -> None:
    found = made(tools, "", DD_SECURITY_VERIFY_SIGNATURES="true")
    assert (found.scanner, found.sbom_maker) == (None, None) and found.verifier is not None


def test_trivy_is_told_the_image_its_platform_and_where_to_get_it(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-0.57.json"})
    assert len(scanner_of(tools).scan(SUBJECT)) == 5
    (call,) = tools.calls("trivy")
    assert call["argv"] == [
        *("image", "--quiet", "--format", "json", "--scanners", "vuln"),
        *("--severity", "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL", "--timeout", "600s"),
        *("--image-src", "remote", "--platform", "linux/arm64/v8", SUBJECT.reference),
    ]


def test_trivy_asks_a_server_and_takes_further_arguments(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json"})
    settings = {
        "DD_SECURITY_TRIVY_SERVER": "http://trivy:4954",
        "DD_SECURITY_TRIVY_ARGS": "--ignore-unfixed --vex 'a b'",
        "DD_SECURITY_TRIVY_TIMEOUT": "90000",
    }
    scanner = scanner_of(tools, **settings)
    scanner.scan(SUBJECT)
    scanner.warm()
    (call,) = tools.calls("trivy")
    assert call["argv"][-6:] == ["--server", "http://trivy:4954", "--ignore-unfixed", "--vex", "a b", SUBJECT.reference]
    assert "90s" in call["argv"]


def test_an_image_no_registry_has_is_read_from_its_engine(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json"})
    tools.play("grype", {"output": "grype-0.121-clean.json"})
    scanner_of(tools, "both").scan(LOCAL)
    trivy, grype = tools.calls()
    assert trivy["argv"][trivy["argv"].index("--image-src") + 1] == "docker"
    assert grype["argv"][-1] == f"docker:{LOCAL.reference}"
    assert trivy["env"]["DOCKER_HOST"] == grype["env"]["DOCKER_HOST"] == LOCAL.engine_url


def test_both_scanners_together_find_each_weakness_once(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-0.57.json"})
    tools.play("grype", {"output": "grype-0.121.json"})
    found = {one.id: one for one in scanner_of(tools, "both").scan(SUBJECT)}
    assert len(found) == 8
    assert found["CVE-2024-45490"].scanners == ("trivy", "grype")
    assert found["CVE-2024-21538"].scanners == ("trivy", "grype")
    assert found["CVE-2023-45853"].scanners == ("trivy",)
    assert found["CVE-2011-4116"].scanners == ("grype",)


def test_half_of_two_scanners_is_no_result(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json"})
    tools.play("grype", {"code": 1, "error": "could not fetch"})
    with pytest.raises(ToolFailed, match="grype ended with code 1: could not fetch"):
        scanner_of(tools, "both").scan(SUBJECT)


@pytest.mark.parametrize(
    "auth", [AUTH, RegistryAuth(identity_token="token-secret", server="registry.test")], ids=["password", "token"]
)
def test_no_secret_is_on_a_command_line_and_none_of_ours_in_an_environment(tools: StandIns, auth: RegistryAuth) -> None:
    tools.play("trivy", {"when": "spdx", "output": "trivy-spdx.json"}, {"output": "trivy-clean.json"})
    tools.play("grype", {"output": "grype-0.121-clean.json"})
    tools.play("syft", {"output": "syft-1.57-spdx.json"})
    tools.play("cosign", {"output": "cosign-2.6-two.json"})
    subject = replace(SUBJECT, auth=auth)
    both = made(tools, "both", DD_SECURITY_VERIFY_SIGNATURES="true")
    grype = made(tools, "grype")
    assert both.scanner and both.verifier and both.sbom_maker and grype.sbom_maker
    both.scanner.scan(subject)
    both.sbom_maker.make(subject, SPDX)
    grype.sbom_maker.make(subject, SPDX)
    both.verifier.verify(subject)
    calls = tools.calls()
    assert [call["tool"] for call in calls] == ["trivy", "grype", "trivy", "syft", "cosign"]
    for call in calls:
        assert "secret" not in " ".join(call["argv"])
        assert not {"DD_SESSION_SECRET", "AWS_SECRET_ACCESS_KEY"} & set(call["env"])
        assert call["env"]["PATH"] == "/usr/bin:/bin"
    told = [json.dumps(call["env"] | call.get("docker_config", {})) for call in calls]
    assert all((auth.password or auth.identity_token) in one for one in told[:4])
    assert calls[4]["docker_config_mode"] == 0o600
    assert list(calls[4]["docker_config"]["auths"]) == ["registry.test"]
    assert not Path(calls[4]["env"]["DOCKER_CONFIG"]).exists()


def test_a_tool_that_repeats_a_password_is_not_quoted(tools: StandIns) -> None:
    tools.play("trivy", {"code": 1, "error": "unauthorized: robot:hunter2-secret is wrong"})
    with pytest.raises(ToolFailed) as caught:
        scanner_of(tools).scan(SUBJECT)
    assert "hunter2" not in str(caught.value)
    assert "robot:***" in str(caught.value)


@pytest.mark.parametrize("reference", ["--config=/etc/shadow", "-v", "", "web;rm", "a b", "@x", "we\nb"])
def test_a_reference_cannot_be_an_option(tools: StandIns, reference: str) -> None:
    subject = replace(SUBJECT, reference=reference)
    both = made(tools, "both", DD_SECURITY_VERIFY_SIGNATURES="true")
    assert both.scanner and both.verifier and both.sbom_maker
    for attempt in (
        lambda: both.scanner.scan(subject),  # type: ignore[union-attr]
        lambda: both.verifier.verify(subject),  # type: ignore[union-attr]
        lambda: both.sbom_maker.make(subject, SPDX),  # type: ignore[union-attr]
    ):
        with pytest.raises(ScannerError):
            attempt()
    assert tools.calls() == []


@pytest.mark.parametrize(
    ("scanner", "tool", "output", "format"),
    [
        ("trivy", "trivy", "trivy-spdx.json", SPDX),
        ("trivy", "trivy", "trivy-cyclonedx.json", CYCLONEDX),
        ("grype", "syft", "syft-1.57-spdx.json", SPDX),
        ("grype", "syft", "syft-1.57-cyclonedx.json", CYCLONEDX),
    ],
)
def test_bills_of_materials_are_made_in_both_formats(
    tools: StandIns, scanner: str, tool: str, output: str, format: str
) -> None:
    tools.play(tool, {"output": output})
    maker = made(tools, scanner).sbom_maker
    assert maker is not None and maker.name == tool
    assert b"SPDX-2.3" in maker.make(SUBJECT, format) or format == CYCLONEDX


@pytest.mark.parametrize(
    ("scene", "signatures", "problem"),
    [
        ({"output": "cosign-2.6-two.json"}, 2, None),
        ({"output": "cosign-1.2.ndjson"}, 1, None),
        (
            {"code": 10, "error": "Error: no signatures found\nmain.go:69: error during command execution"},
            0,
            "no signatures",
        ),
        (
            {"code": 1, "error": "Error: no matching signatures: none of the expected identities matched"},
            0,
            "identities",
        ),
        ({"code": 12, "complaint": "cosign-2.6-wrong-key.txt"}, 0, "invalid signature"),
        ({"code": 1, "complaint": "cosign-2.6-bundle-unsigned.txt"}, 0, "no valid bundles exist in registry"),
        ({}, 0, "it has no signature"),
    ],
)
def test_cosign_counts_valid_signatures(
    tools: StandIns, scene: dict[str, object], signatures: int, problem: str | None
) -> None:
    tools.play("cosign", scene)
    verifier = made(tools, DD_SECURITY_VERIFY_SIGNATURES="true").verifier
    assert verifier is not None and verifier.keyless
    found = verifier.verify(SUBJECT)
    assert found.signatures == signatures
    assert (problem or "") in (found.problem or "")


def test_cosign_is_given_a_key_or_an_identity(tools: StandIns) -> None:
    tools.play("cosign", {"output": "cosign-2.6-two.json"})
    keyed = made(tools, DD_SECURITY_VERIFY_SIGNATURES="true", DD_SECURITY_COSIGN_KEY="/keys/cosign.pub").verifier
    named = made(
        tools,
        DD_SECURITY_VERIFY_SIGNATURES="true",
        DD_SECURITY_COSIGN_IDENTITY="me@example.org",
        DD_SECURITY_COSIGN_ISSUER="https://issuer.example.org",
        DD_SECURITY_COSIGN_ARGS="--private-infrastructure=true --ca-roots '/keys/our ca.pem'",
    ).verifier
    assert keyed is not None and named is not None
    assert (keyed.keyless, named.keyless) == (False, True)
    keyed.verify(replace(SUBJECT, auth=None))
    named.verify(replace(SUBJECT, auth=None))
    first, second = (call["argv"] for call in tools.calls("cosign"))
    assert first == ["verify", "--output", "json", "--key", "/keys/cosign.pub", SUBJECT.reference]
    assert second[3:7] == [
        "--certificate-identity",
        "me@example.org",
        "--certificate-oidc-issuer",
        "https://issuer.example.org",
    ]
    assert second[7:] == ["--private-infrastructure=true", "--ca-roots", "/keys/our ca.pem", SUBJECT.reference]


def test_a_verification_that_could_not_be_made_is_an_error_not_a_missing_signature(tools: StandIns) -> None:
    tools.play("cosign", {"code": 1, "complaint": "cosign-2.6-no-root.txt"})
    verifier = made(tools, DD_SECURITY_VERIFY_SIGNATURES="true").verifier
    assert verifier is not None
    with pytest.raises(ToolFailed, match="Error: getting Rekor public keys: updating local metadata") as caught:
        verifier.verify(SUBJECT)
    assert str(caught.value).endswith("no such host")
    assert len(str(caught.value)) < 600


def test_what_may_pass_is_tried_once_more(tools: StandIns) -> None:
    tools.play("trivy", {"code": 1, "error": "GET https://registry.test/v2/: connection reset by peer"})
    clock = StillClock()
    before = clock.now()
    with pytest.raises(ToolFailed, match="connection reset"):
        scanner_of(tools, clock=clock).scan(SUBJECT)
    assert len(tools.calls("trivy")) == 2
    assert clock.now() > before


def test_what_will_not_pass_is_tried_once(tools: StandIns) -> None:
    tools.play("trivy", {"code": 1, "error": "MANIFEST_UNKNOWN: manifest unknown"})
    with pytest.raises(ToolFailed, match="MANIFEST_UNKNOWN"):
        scanner_of(tools).scan(SUBJECT)
    assert len(tools.calls("trivy")) == 1


def test_a_scanner_without_database_is_left_alone_for_a_quarter_of_an_hour(tools: StandIns) -> None:
    tools.play("trivy", {"code": 1, "error": DATABASE_TROUBLE})
    clock = StillClock()
    scanner = scanner_of(tools, clock=clock)
    for _ in range(3):
        with pytest.raises(ToolFailed, match="DB error"):
            scanner.scan(SUBJECT)
    assert len(tools.calls("trivy")) == 1
    clock.at += timedelta(minutes=16)
    tools.play("trivy", {"output": "trivy-clean.json"})
    assert scanner.scan(SUBJECT) == []


def test_the_database_is_fetched_before_anybody_waits(tools: StandIns) -> None:
    tools.play("trivy", {"when": "--download-db-only"})
    tools.play("grype", {"when": "db update"})
    scanner_of(tools, "both").warm()
    assert [call["argv"] for call in tools.calls()] == [["image", "--quiet", "--download-db-only"], ["db", "update"]]


def test_no_database_is_fetched_where_that_is_forbidden(tools: StandIns) -> None:
    scanner_of(tools, "grype", GRYPE_DB_AUTO_UPDATE="false").warm()
    assert tools.calls() == []


def test_one_trivy_at_a_time_uses_the_cache(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json", "seconds": 0.1})
    assert overlaps(tools, scanner_of(tools)) == 0


def test_clients_of_a_trivy_server_do_not_wait_for_each_other(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json", "seconds": 0.4})
    assert overlaps(tools, scanner_of(tools, DD_SECURITY_TRIVY_SERVER="http://trivy:4954")) > 0


def overlaps(tools: StandIns, scanner: Scanner) -> int:
    """How many of three scans asked for at once ran while another did."""
    threads = [threading.Thread(target=scanner.scan, args=(SUBJECT,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    calls = sorted(tools.calls("trivy"), key=lambda call: float(call["begun"]))
    assert len(calls) == 3
    return sum(1 for one, after in itertools.pairwise(calls) if after["begun"] < one["ended"])


def test_a_tool_that_hangs_is_ended_with_its_children(tools: StandIns) -> None:
    tools.play("trivy", {"does": "hang"})
    begun = time.monotonic()
    with pytest.raises(ToolTooSlow, match=r"after 0\.5 seconds"):
        run([tools.path("trivy")], {"PATH": "/usr/bin:/bin"}, 0.5)
    assert time.monotonic() - begun < 5
    child = int((tools.folder / "child.pid").read_text())
    assert gone(child)


def gone(pid: int) -> bool:
    """Whether a process has ended within two seconds."""
    until = time.monotonic() + 2
    while time.monotonic() < until:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_a_tool_that_never_stops_writing_is_ended(tools: StandIns) -> None:
    tools.play("trivy", {"does": "flood"})
    with pytest.raises(ToolTooLoud, match="more than 1024 kB"):
        run([tools.path("trivy")], {"PATH": "/usr/bin:/bin"}, 20, limit=1024 * 1024)


def test_a_tool_killed_for_want_of_memory_is_told_so(tools: StandIns) -> None:
    tools.play("trivy", {"does": "die"})
    with pytest.raises(ToolKilled, match="killed by signal 9"):
        scanner_of(tools).scan(SUBJECT)


def test_garbage_is_an_error_even_when_the_tool_says_it_is_well(tools: StandIns) -> None:
    tools.play("trivy", {"does": "babble"})
    with pytest.raises(ScannerError, match="no JSON"):
        scanner_of(tools).scan(SUBJECT)


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no-such-tool"):
        run([str(tmp_path / "no-such-tool")], {}, 1)


def test_a_program_works_in_an_empty_folder_that_is_removed(tools: StandIns) -> None:
    tools.play("trivy", {"output": "trivy-clean.json"})
    scanner_of(tools).scan(SUBJECT)
    (call,) = tools.calls()
    assert call["cwd"] != str(Path.cwd())
    assert not Path(call["cwd"]).exists()


def test_trivy_in_a_container_is_the_same_trivy() -> None:
    seen: list[Sequence[str]] = []

    def launch(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Finished:
        seen.append(command)
        assert environment["TRIVY_PASSWORD"] == AUTH.password
        return Finished(0, b'{"SchemaVersion": 2}', "")

    assert Trivy(Call(("trivy",), launch, {}, 60, StillClock())).scan(SUBJECT) == []
    assert seen[0][:2] == ["trivy", "image"]
    assert os.environ.get("TRIVY_PASSWORD") is None


@pytest.mark.parametrize(
    ("scanner", "said", "date"),
    [
        ("trivy", {"Version": "0.57.1", "VulnerabilityDB": {"Version": 2, "UpdatedAt": "2026-11-20T06:16:02Z"}},
         "2026-11-20T06:16:02Z"),
        ("trivy", "trivy-0.57-version.json", "2026-11-20T06:16:02.486718951Z"),
        ("trivy", {"Version": "0.57.1", "VulnerabilityDB": None}, ""),
        ("trivy", {"Version": "0.57.1", "VulnerabilityDB": {"Version": 2, "UpdatedAt": "0001-01-01T00:00:00Z"}}, ""),
        ("trivy", {"Version": "0.57.1"}, ""),
        ("trivy", ["nothing"], ""),
        ("grype", {"schemaVersion": "v6.0.0", "built": "2026-11-20T04:10:00Z", "valid": True}, "2026-11-20T04:10:00Z"),
        ("grype", "grype-0.85-db-status.json", "2024-11-20T01:31:24Z"),
        ("grype", "grype-0.121-db-status.json", "2026-11-24T03:11:39Z"),
        ("grype", {"schemaVersion": 5, "built": "0001-01-01T00:00:00Z", "error": "no database"}, ""),
        ("grype", {"status": "invalid"}, ""),
    ],
)  # fmt: skip
def test_a_scanner_tells_the_date_of_its_database(
    tools: StandIns, scanner: str, said: object, date: str, tmp_path: Path
) -> None:
    (tmp_path / "said.json").write_text(json.dumps(said))
    tools.play(scanner, {"output": said if isinstance(said, str) else str(tmp_path / "said.json")})
    found = made(tools, scanner).scanner
    assert found is not None
    assert [found.database() for _ in range(2)] == [date, date]
    (call,) = tools.calls(scanner)
    words = {"trivy": ["version", "--format", "json"], "grype": ["db", "status", "--output", "json"]}
    assert call["argv"] == words[scanner]


def test_a_scanner_that_does_not_tell_of_its_database_is_no_trouble(tools: StandIns) -> None:
    tools.play("trivy", {"code": 1, "error": "no"})
    tools.play("grype", {"does": "babble"})
    found = made(tools, "both").scanner
    assert found is not None and found.database() == ""
