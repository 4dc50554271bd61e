"""Grype, Syft and Cosign guard an update, from request to engine: stand-ins, and the real ones where all are found."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders.api import conform
from tests.builders.tools import DOCUMENTS
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.secured import NEW, OLD, Place, place_on
from tests.docker.signing import NO_LOG, Keys, Signer
from tests.docker.weak_image import FILES, OS_RELEASE, WEAKNESSES
from tests.store_process import running_store

PROGRAMS = {name: path for name in ("grype", "syft", "cosign") if (path := shutil.which(name))}
KINDS = ["stand-ins", *(["real programs"] if len(PROGRAMS) == 3 else [])]
IMAGES = {OLD: FILES, NEW: {"etc/os-release": OS_RELEASE}}
Sign = Callable[[], None]


@contextmanager
def guarded(kind: str, engine: EngineHost, registry: ImageRegistry, folder: Path) -> Iterator[tuple[Place, Sign]]:
    """A place these programs guard, and what signs its candidate."""
    keys = Keys(folder / "keys")
    real = {"HOME": str(folder), "GRYPE_DB_AUTO_UPDATE": "false", "GRYPE_DB_VALIDATE_AGE": "false"}
    settings: Mapping[str, str] = {
        "DD_SECURITY_SCANNER": "grype",
        "DD_SECURITY_SBOM_ENABLED": "true",
        "DD_SECURITY_VERIFY_SIGNATURES": "true",
        "DD_SECURITY_COSIGN_KEY": keys.public("ours"),
        "DD_SECURITY_COSIGN_ARGS": " ".join(NO_LOG),
    }
    signer: Signer | None = None
    if kind == "real programs":
        archive = str(DOCUMENTS / "grype-0.121-db.tar.gz")
        environment = {"PATH": "/usr/bin:/bin", **real}
        subprocess.run([PROGRAMS["grype"], "db", "import", archive], env=environment, check=True, timeout=100)
        signer = Signer(PROGRAMS["cosign"], keys)
        commands = {f"DD_SECURITY_{name.upper()}_COMMAND": path for name, path in PROGRAMS.items()}
        settings = {**settings, **real, **commands}
    with (
        running_store(folder / "store") as store,
        place_on(engine, registry, store.url, folder, IMAGES, **settings) as place,
    ):
        name = place.site.reference(NEW).rpartition(":")[0]

        def sign() -> None:
            place.tools.play("cosign", {"output": "cosign-2.6-key.json"})
            if signer:
                signer.sign(f"{name}@{place.digest(NEW)}")

        place.tools.play("cosign", {"code": 10, "complaint": "cosign-2.6-unsigned.txt"})
        place.tools.play("syft", {"output": "syft-1.57-spdx.json"})
        place.tools.play(
            "grype",
            {"when": "db", "output": "grype-0.121-db-status.json"},
            {"when": place.digest(NEW), "output": "grype-0.121-clean.json"},
            {"output": "grype-0.121.json"},
        )
        yield place, sign


@pytest.mark.parametrize("kind", KINDS)
def test_an_update_needs_a_signature_and_an_image_without_severe_weaknesses(
    kind: str, engine_host: EngineHost, registry: ImageRegistry, tmp_path: Path
) -> None:
    with guarded(kind, engine_host, registry, tmp_path) as (place, sign):
        status, body = place.post("scan")
        assert status == 200, body
        security = body["security"]
        assert {one["id"] for one in security["scan"]["vulnerabilities"]} == WEAKNESSES
        assert (security["scan"]["status"], security["updateScan"]["status"]) == ("blocked", "passed")
        assert (security["updateSignature"]["status"], security["updateSignature"]["signatures"]) == ("unverified", 0)
        status, body = place.post("update")
        assert status == 409 and "no valid signature" in body["error"]
        sign()
        assert place.post("scan")[0] == 200
        status, body = place.post("update")
        assert status == 200, body
        assert (body["security"]["signature"]["status"], body["security"]["scan"]["status"]) == ("verified", "passed")
        assert place.get(f"{place.path()}/sbom?format=spdx-json")["document"]["spdxVersion"] == "SPDX-2.3"
        conform("Container", body)
