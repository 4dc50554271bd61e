"""Scans and bills of materials of images in real registries and engines: by the stand-ins, and by every real program.

The real programs are tried wherever they are on the PATH: Grype with the small database of tests/data/scanners, Trivy
as far as it gets without one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from chalicelib.domain.container import Platform
from chalicelib.domain.security import CYCLONEDX, SBOM_FORMATS, SPDX
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.scanner import ScannerError, Subject
from chalicelib.settings_security import SecuritySettings, ToolSettings
from chalicelib.usecases.assess_image import Instruments
from local_runtime.executor.scanners.call import ToolFailed
from local_runtime.executor.scanners.toolbox import instruments
from tests.builders.tools import DOCUMENTS, StandIns
from tests.docker.registry import PASSWORD, USER
from tests.docker.rig import EngineHost, ImageRegistry, image_registry
from tests.docker.weak_image import FILES, OS_RELEASE, WEAKNESSES
from tests.fakes.services import StillClock

REAL = [name for name in ("trivy", "grype", "syft") if shutil.which(name)]
SCANNERS = ["stand-in trivy", "stand-in grype", *(name for name in REAL if name != "syft")]
MAKERS = ["stand-in trivy", "stand-in syft", *(name for name in REAL if name != "grype")]
GRYPES = [name for name in SCANNERS if name.endswith("grype")]
MARKS = {SPDX: "spdxVersion", CYCLONEDX: "bomFormat"}
NO_DATABASE = "no-database"
REFUSED = {"code": 1, "error": "FATAL\tremote error: GET /v2/: UNAUTHORIZED: authentication required"}


class Programs:
    """What the tests of this module run; real programs find a home with what they need in it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._stand_ins = StandIns(folder / "bin")
        self._play()
        if grype := shutil.which("grype"):
            archive = str(DOCUMENTS / "grype-0.121-db.tar.gz")
            subprocess.run([grype, "db", "import", archive], env=self.environment, check=True, timeout=100)

    @property
    def environment(self) -> dict[str, str]:
        """No internet, and a database that may be old."""
        offline = {"GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_DB_VALIDATE_AGE": "false"}
        return {"PATH": "/usr/bin:/bin", "HOME": str(self.home), **offline}

    def instruments(self, program: str, **environment: str) -> Instruments:
        """With this program in them, `stand-in trivy` or `trivy` for example, in the executor's own way."""
        name = program.rpartition(" ")[2]
        path = shutil.which(name) if program == name else self._stand_ins.path(name)
        settings = SecuritySettings(
            scanner="trivy" if name == "trivy" else "grype",
            tool_environment=self.environment | environment,
            **{name: ToolSettings((str(path),), 100.0)},  # type: ignore[arg-type]
        )
        return instruments(settings, self.home, StillClock(), None)

    def _play(self) -> None:
        told = [USER, PASSWORD]
        self._stand_ins.play(
            "trivy",
            {"when": "locked/", "told": told, "output": "trivy-0.57.json"},
            {"when": "locked/", **REFUSED},
            {"when": "version", "output": "trivy-0.57-version.json"},
            {"when": "spdx-json", "output": "trivy-spdx.json"},
            {"when": "cyclonedx", "output": "trivy-cyclonedx.json"},
            {"output": "trivy-0.57.json"},
        )
        self._stand_ins.play(
            "grype",
            {"told": [NO_DATABASE], "code": 1, "complaint": "grype-0.121-no-database.txt"},
            {"when": "locked/", "told": told, "output": "grype-0.121.json"},
            {"when": "locked/", "code": 1, "complaint": "grype-0.121-unauthorized.txt"},
            {"when": "scanned/none", "code": 1, "complaint": "grype-0.121-not-found.txt"},
            {"when": "db status", "output": "grype-0.121-db-status.json"},
            {"when": "scanned/clean", "output": "grype-0.121-clean.json"},
            {"output": "grype-0.121.json"},
        )
        self._stand_ins.play(
            "syft",
            {"when": "locked/", "told": told, "output": "syft-1.57-spdx.json"},
            {"when": "locked/", **REFUSED},
            {"when": "spdx-json", "output": "syft-1.57-spdx.json"},
            {"output": "syft-1.57-cyclonedx.json"},
        )


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))


@pytest.fixture(scope="module")
def subject(registry: ImageRegistry) -> Subject:
    return in_registry(registry, "scanned/web", registry.push_image("scanned/web", "1", files=FILES))


@pytest.fixture(scope="module")
def locked() -> Iterator[Subject]:
    """The same in a registry that asks who comes."""
    with image_registry(password=True) as registry:
        digest = registry.push_image("locked/web", "1", files=FILES)
        yield replace(in_registry(registry, "locked/web", digest), auth=RegistryAuth(USER, PASSWORD))


def in_registry(registry: ImageRegistry, repository: str, digest: str) -> Subject:
    return Subject(
        reference=registry.reference(repository, digest),
        name=registry.reference(repository, "1"),
        digest=digest,
        platform=Platform("amd64", "linux"),
        registry=registry.address,
    )


def found_by(programs: Programs, program: str, subject: Subject, **environment: str) -> set[str]:
    """The names of the weaknesses. Raises ScannerError."""
    scanner = programs.instruments(program, **environment).scanner
    assert scanner is not None
    return {one.id for one in scanner.scan(subject)}


@pytest.mark.parametrize("program", SCANNERS)
def test_a_program_finds_weaknesses_or_says_that_it_has_no_database(
    program: str, programs: Programs, subject: Subject
) -> None:
    scanner = programs.instruments(program).scanner
    assert scanner is not None
    try:
        found = scanner.scan(subject)
    except ScannerError as error:
        assert program == "trivy" and re.search(r"database|\bDB\b", str(error), re.IGNORECASE), error
        return
    assert found and all(one.id and one.package for one in found)
    # It has just worked with a database, so it can tell which.
    made = scanner.database()
    assert datetime.fromisoformat(re.sub(r"\.\d+", "", made).replace("Z", "+00:00")).year > 2020


@pytest.mark.parametrize("program", GRYPES)
def test_grype_finds_what_its_database_knows(program: str, programs: Programs, subject: Subject) -> None:
    assert found_by(programs, program, subject) == WEAKNESSES


@pytest.mark.parametrize("program", GRYPES)
def test_grype_finds_nothing_in_an_image_without_packages(
    program: str, programs: Programs, registry: ImageRegistry
) -> None:
    digest = registry.push_image("scanned/clean", "1", files={"etc/os-release": OS_RELEASE})
    assert found_by(programs, program, in_registry(registry, "scanned/clean", digest)) == set()


@pytest.mark.parametrize("program", GRYPES)
def test_grype_without_a_database_says_so_and_is_left_alone(
    program: str, programs: Programs, subject: Subject, tmp_path: Path
) -> None:
    scanner = programs.instruments(program, GRYPE_DB_CACHE_DIR=str(tmp_path / NO_DATABASE)).scanner
    assert scanner is not None
    with pytest.raises(ToolFailed, match=r"failed to load vulnerability db: database does not exist$"):
        scanner.scan(subject)
    with pytest.raises(ToolFailed, match="database does not exist; it is tried again after"):
        scanner.scan(subject)


@pytest.mark.parametrize("program", GRYPES)
def test_an_image_that_is_not_there_is_no_trouble_with_the_database(
    program: str, programs: Programs, subject: Subject
) -> None:
    scanner = programs.instruments(program, GRYPE_DB_AUTO_UPDATE="true").scanner
    assert scanner is not None
    gone = replace(subject, reference=subject.reference.replace("scanned/web", "scanned/none"))
    with pytest.raises(ToolFailed, match="manifest unknown"):
        scanner.scan(gone)
    assert {one.id for one in scanner.scan(subject)} == WEAKNESSES


@pytest.mark.parametrize("program", SCANNERS)
def test_a_program_is_let_into_a_registry_by_its_environment(program: str, programs: Programs, locked: Subject) -> None:
    with pytest.raises(ScannerError, match=r"UNAUTHORIZED|database|DB"):
        found_by(programs, program, replace(locked, auth=None))
    if program != "trivy":
        assert found_by(programs, program, locked)


@pytest.mark.parametrize("format", SBOM_FORMATS)
@pytest.mark.parametrize("program", MAKERS)
def test_a_program_lists_what_an_image_is_made_of(
    program: str, format: str, programs: Programs, subject: Subject
) -> None:
    maker = programs.instruments(program).sbom_maker
    assert maker is not None
    document = json.loads(maker.make(subject, format))
    assert MARKS[format] in document
    assert "zlib1g" in {one["name"] for one in document["packages" if format == SPDX else "components"]}


@pytest.mark.parametrize("program", [name for name in MAKERS if name.endswith("syft")])
def test_syft_is_let_into_a_registry_and_says_why_it_is_not(program: str, programs: Programs, locked: Subject) -> None:
    maker = programs.instruments(program).sbom_maker
    assert maker is not None
    with pytest.raises(ToolFailed, match=r"UNAUTHORIZED: authentication required"):
        maker.make(replace(locked, auth=None), SPDX)
    assert b"zlib1g" in maker.make(locked, SPDX)


@pytest.mark.parametrize("program", [*GRYPES, *(name for name in MAKERS if name.endswith("syft"))])
def test_an_image_only_an_engine_has_is_read_from_there(
    program: str, programs: Programs, engine_host: EngineHost
) -> None:
    made = engine_host.build_image("scanned-local:1", files=FILES)
    local = Subject(
        reference=made.removeprefix("sha256:"),
        name="scanned-local:1",
        digest=made,
        platform=Platform("amd64", "linux"),
        local=True,
        engine_url=engine_host.base_url,
    )
    try:
        if program in GRYPES:
            assert found_by(programs, program, local) == WEAKNESSES
        else:
            maker = programs.instruments(program).sbom_maker
            assert maker is not None and b"zlib1g" in maker.make(local, CYCLONEDX)
    finally:
        engine_host.api("DELETE", f"/images/{made}", params={"force": "1"})
