"""Scans, bills of materials and signatures of an image in a real registry: by the stand-ins, and by every real program.

The real programs are tried wherever they are on the PATH. Scans need a database from the internet: where there is none
the program must say so.
"""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.domain.container import Platform
from chalicelib.domain.security import CYCLONEDX, SBOM_FORMATS, SPDX
from chalicelib.ports.scanner import ScannerError, Subject
from chalicelib.settings_security import SecuritySettings, ToolSettings
from local_runtime.executor.scanners.toolbox import instruments
from tests.builders.tools import StandIns
from tests.docker.rig import ImageRegistry
from tests.fakes.services import StillClock

REAL = [name for name in ("trivy", "grype", "syft", "cosign") if shutil.which(name)]
MAKERS = ["stand-in trivy", "stand-in syft", *(name for name in REAL if name in ("trivy", "syft"))]
SCANNERS = ["stand-in trivy", "stand-in grype", *(name for name in REAL if name in ("trivy", "grype"))]
VERIFIERS = ["stand-in cosign", *(name for name in REAL if name == "cosign")]
MARKS = {SPDX: "spdxVersion", CYCLONEDX: "bomFormat"}


def settings(program: str, folder: Path) -> SecuritySettings:
    """Settings under which this program does what it can do."""
    name = program.rpartition(" ")[2]
    path = shutil.which(name) if program == name else _stand_in(name, folder)
    tool = ToolSettings((str(path),), 100.0)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return SecuritySettings(
        scanner="grype" if name in ("syft", "grype") else "trivy",
        verify_signatures=True,
        tool_environment=environment,
        **{name: tool},  # type: ignore[arg-type]
        cosign_identity="nobody@example.org",
        cosign_issuer="https://issuer.example.org",
    )


def _stand_in(name: str, folder: Path) -> str:
    tools = StandIns(folder / "bin")
    tools.play(
        "trivy",
        {"when": "version", "output": "trivy-version-0.57.json"},
        {"when": "spdx-json", "output": "trivy-spdx.json"},
        {"when": "cyclonedx", "output": "trivy-cyclonedx.json"},
        {"output": "trivy-0.57.json"},
    )
    tools.play("grype", {"when": "db status", "output": "grype-db-status-0.88.json"}, {"output": "grype-0.85.json"})
    tools.play("syft", {"when": "spdx-json", "output": "syft-1.16-spdx.json"}, {"output": "syft-1.16-cyclonedx.json"})
    tools.play("cosign", {"code": 10, "error": "Error: no signatures found"})
    return tools.path(name)


@pytest.fixture(scope="module")
def subject(registry: ImageRegistry) -> Subject:
    digest = registry.push_image("scanned/web", "1", files={"etc/os-release": "ID=alpine\nVERSION_ID=3.20.0\n"})
    return Subject(
        reference=registry.reference("scanned/web", digest),
        name=registry.reference("scanned/web", "1"),
        digest=digest,
        platform=Platform("amd64", "linux"),
        registry=registry.address,
    )


@pytest.mark.parametrize("program", SCANNERS)
def test_a_program_finds_weaknesses_or_says_that_it_has_no_database(
    program: str, subject: Subject, tmp_path: Path
) -> None:
    scanner = instruments(settings(program, tmp_path), tmp_path, StillClock(), None).scanner
    assert scanner is not None
    try:
        found = scanner.scan(subject)
    except ScannerError as error:
        assert program in REAL and re.search(r"database|\bDB\b", str(error), re.IGNORECASE), error
        return
    assert all(one.id and one.package for one in found)
    # It has just worked with a database, so it can tell which.
    made = scanner.database()
    assert datetime.fromisoformat(re.sub(r"\.\d+", "", made).replace("Z", "+00:00")).year > 2020
    assert found or program in REAL


@pytest.mark.parametrize("format", SBOM_FORMATS)
@pytest.mark.parametrize("program", MAKERS)
def test_a_program_lists_what_an_image_is_made_of(program: str, format: str, subject: Subject, tmp_path: Path) -> None:
    found = instruments(settings(program, tmp_path), Settings(data=tmp_path).data, StillClock(), None)
    assert found.sbom_maker is not None
    assert MARKS[format] in json.loads(found.sbom_maker.make(subject, format))


@pytest.mark.parametrize("program", VERIFIERS)
def test_a_program_sees_that_an_image_is_not_signed(program: str, subject: Subject, tmp_path: Path) -> None:
    found = instruments(settings(program, tmp_path), tmp_path, StillClock(), None)
    assert found.verifier is not None
    assert found.verifier.verify(subject).signatures == 0
