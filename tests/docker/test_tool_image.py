"""Trivy from its image, through a real engine: the same program, bounded and gone when it is done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Platform
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.scanner import ScannerError, Subject
from local_runtime.executor.scanners.call import Call, ToolFailed
from local_runtime.executor.scanners.container import CACHE, launcher
from local_runtime.executor.scanners.process import ToolTooSlow
from local_runtime.executor.scanners.trivy import Trivy
from tests.docker.rig import EngineHost, ImageRegistry
from tests.fakes.services import StillClock

DIGEST = "sha256:" + "4" * 64
SUBJECT = Subject(
    reference=f"127.0.0.1:5000/web@{DIGEST}",
    name="web:1",
    digest=DIGEST,
    platform=Platform("amd64", "linux"),
    auth=RegistryAuth("robot", "hunter2"),
)
REPORT = {"SchemaVersion": 2, "Results": [{"Target": "web", "Vulnerabilities": [{"VulnerabilityID": "CVE-1"}]}]}
# Its cache counts its runs, and what it was told is in its complaint.
SCRIPT = f"""
n=$(cat /root/.cache/trivy/runs 2>/dev/null || echo 0); echo $((n + 1)) > /root/.cache/trivy/runs
case "$*" in
  *hang*) sleep 600 ;;
  *fail*) echo "run $((n + 1)) of $TRIVY_USERNAME with $TRIVY_PASSWORD: $1" >&2; exit 3 ;;
  *) echo '{json.dumps(REPORT)}' ;;
esac
"""


@pytest.fixture(scope="module")
def image(registry: ImageRegistry) -> str:
    """A stand-in for Trivy's image, in a registry."""
    registry.push_image(
        "tools/trivy", "1", entrypoint=["sh", "-c", SCRIPT, "trivy"], cmd=None, files={"root/.keep": ""}
    )
    return registry.reference("tools/trivy", "1")


@pytest.fixture(autouse=True)
def nothing_is_left(engine_host: EngineHost) -> Iterator[None]:
    yield
    names = [name for one in engine_host.http.get("/containers/json?all=1").json() for name in one["Names"]]
    assert not [name for name in names if "slipway-tool" in name]
    engine_host.http.delete(f"/volumes/{CACHE}")


def trivy(engine: EngineHost, image: str, seconds: float = 60) -> Trivy:
    return Trivy(
        Call(("trivy",), launcher(image, WatcherSettings("local", engine.base_url)), {}, seconds, StillClock())
    )


def test_it_is_pulled_and_scans(engine_host: EngineHost, image: str) -> None:
    (found,) = trivy(engine_host, image).scan(SUBJECT)
    assert (found.id, found.target) == ("CVE-1", "web")


def test_its_cache_outlives_it_and_its_secrets_stay_off_the_command_line(engine_host: EngineHost, image: str) -> None:
    scanner = trivy(engine_host, image)
    scanner.scan(SUBJECT)
    with pytest.raises(ToolFailed) as caught:
        scanner.scan(replace(SUBJECT, reference="127.0.0.1:5000/fail"))
    message = str(caught.value)
    assert "ended with code 3: run 2 of robot with ***: image" in message
    assert "hunter2" not in message


def test_one_that_hangs_is_ended(engine_host: EngineHost, image: str) -> None:
    launch = launcher(image, WatcherSettings("local", engine_host.base_url))
    with pytest.raises(ToolTooSlow, match="after 1 seconds"):
        launch(["trivy", "image", "hang"], {}, 1.0)


def test_an_image_that_is_nowhere_is_an_error(engine_host: EngineHost, registry: ImageRegistry) -> None:
    with pytest.raises(ScannerError, match="could not be run"):
        trivy(engine_host, registry.reference("tools/missing", "9")).scan(SUBJECT)


def test_an_engine_that_is_away_is_an_error(image: str) -> None:
    launch = launcher(image, WatcherSettings("local", "unix:///nonexistent/docker.sock"))
    with pytest.raises(ScannerError, match="could not be run"):
        launch(["trivy", "image", "x"], {}, 2.0)
