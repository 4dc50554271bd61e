"""Bills of materials and signatures of an image in a real registry: by the stand-ins, and by every real program here.

Neither needs a database from the internet, so the real programs are tried wherever they are on the PATH.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chalicelib.config import Settings
from chalicelib.domain.container import Platform
from chalicelib.domain.security import CYCLONEDX, SBOM_FORMATS, SPDX
from chalicelib.ports.scanner import Subject
from chalicelib.settings_security import SecuritySettings, ToolSettings
from local_runtime.executor.scanners.toolbox import instruments
from tests.builders.tools import StandIns
from tests.docker.rig import ImageRegistry
from tests.fakes.services import StillClock

REAL = [name for name in ("trivy", "syft", "cosign") if shutil.which(name)]
MAKERS = ["stand-in trivy", "stand-in syft", *(name for name in REAL if name != "cosign")]
VERIFIERS = ["stand-in cosign", *(name for name in REAL if name == "cosign")]
MARKS = {SPDX: "spdxVersion", CYCLONEDX: "bomFormat"}


def settings(program: str, folder: Path) -> SecuritySettings:
    """Settings under which this program does what it can do."""
    name = program.rpartition(" ")[2]
    path = shutil.which(name) if program == name else _stand_in(name, folder)
    tool = ToolSettings((str(path),), 100.0)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder)}
    return SecuritySettings(
        scanner="grype" if name == "syft" else "trivy",
        verify_signatures=True,
        tool_environment=environment,
        **{"trivy" if name == "trivy" else "syft" if name == "syft" else "cosign": tool},  # type: ignore[arg-type]
        cosign_identity="nobody@example.org",
        cosign_issuer="https://issuer.example.org",
    )


def _stand_in(name: str, folder: Path) -> str:
    tools = StandIns(folder / "bin")
    tools.play("trivy", {"when": "spdx-json", "output": "trivy-spdx.json"}, {"output": "trivy-cyclonedx.json"})
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
