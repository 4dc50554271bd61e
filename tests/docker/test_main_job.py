"""The main job as a newcomer does it: a bare clone, one command, real containers with real updates, then update."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local_runtime.demo.catalog import APPLICATIONS
from tests.docker import tour
from tests.docker.rig import EngineHost

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
UPDATE_SECONDS = 60

pytestmark = pytest.mark.timeout(240)


class Slipway:
    """`script/server --demo` in a checkout of its own."""

    def __init__(self, checkout: Path, engine: EngineHost) -> None:
        self.checkout = checkout
        self.port = _free_port()
        unset = ("DD_", "SLIPWAY_", "AWS_")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(unset)}
        self.environment["DOCKER_HOST"] = engine.base_url
        self._log = checkout / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start it and wait until the API answers; how many seconds that took."""
        begun = time.monotonic()
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.checkout / "script/server"), "--demo", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while time.monotonic() - begun < START_SECONDS:
            if self._process.poll() is not None:
                break
            try:
                self.get("/health")
                return time.monotonic() - begun
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"the server did not come up:\n{self._log.read_text()[-4000:]}")

    def stop(self) -> int:
        """SIGTERM, as a service manager would; the exit code."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(15)

    def kill(self) -> None:
        """SIGKILL to every process of it at once."""
        assert self._process is not None
        for pid in _descendants(self._process.pid):
            with _gone_is_fine():
                os.kill(pid, signal.SIGKILL)
        self._process.wait(10)

    def down(self) -> None:
        """Remove the demo."""
        command = [str(self.checkout / "script/demo"), "--down"]
        subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    def get(self, path: str) -> Any:
        """The body of a GET."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str) -> tuple[int, Any]:
        """Status and body of a POST without a body."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=UPDATE_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def containers(self) -> dict[str, Any]:
        """Every listed container by name."""
        return {one["name"]: one for one in self.get("/api/v1/containers")["data"]}

    def history(self, container: Any) -> list[Any]:
        """Its update operations."""
        return list(self.get(f"/api/v1/containers/{container['id']}/update-operations")["data"])


@pytest.fixture(scope="module")
def slipway(engine_host: EngineHost, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slipway]:
    checkout = tmp_path_factory.mktemp("clone") / "slipway"
    _clone(checkout)
    running = Slipway(checkout, engine_host)
    try:
        running.start()
        _wait(lambda: _checked(running.containers()), 60)
        yield running
    finally:
        running.kill()
        running.down()
        shutil.rmtree(checkout, ignore_errors=True)


def test_a_bare_clone_lists_tag_and_digest_updates_of_real_containers(slipway: Slipway) -> None:
    found = slipway.containers()
    kinds = {one["updateKind"]["kind"] for one in found.values() if one["updateAvailable"]}
    assert {"tag", "digest"} <= kinds
    assert any(one["status"] == "exited" for one in found.values())


def test_the_readme_s_tour_shows_what_it_promises(slipway: Slipway) -> None:
    commands, promised = zip(*tour.steps(), strict=True)
    mark = "=== next ==="
    script = f"\necho '{mark}'\n".join(commands).replace("127.0.0.1:3000", f"127.0.0.1:{slipway.port}")
    done = subprocess.run(
        ["sh", "-c", script], env=slipway.environment, cwd=slipway.checkout, capture_output=True, text=True
    )
    shown = [tour.alike(output) for output in done.stdout.split(f"{mark}\n")]
    assert dict(zip(commands, shown, strict=True)) == dict(zip(commands, map(tour.alike, promised), strict=True))


def test_updates_run_the_new_image_and_the_engine_agrees(slipway: Slipway, engine_host: EngineHost) -> None:
    before = slipway.containers()
    for name in ("demo-shop-db-1", "demo-api"):
        status, body = slipway.post(f"/api/v1/containers/{before[name]['id']}/update")
        assert status == 200, body
        assert body["name"] == name
        assert body["image"]["id"] != before[name]["image"]["id"]
        inspected = engine_host.http.get(f"/containers/{name}/json").json()
        assert inspected["Id"] == body["id"]
        assert inspected["Image"] == body["image"]["id"]
        assert inspected["State"]["Running"]
        assert slipway.history(body)[0]["status"] == "succeeded"
    names = [name for one in engine_host.http.get("/containers/json?all=true").json() for name in one["Names"]]
    assert not [name for name in names if "-old-" in name]


def test_a_failing_candidate_is_rolled_back_and_the_old_image_still_runs(
    slipway: Slipway, engine_host: EngineHost
) -> None:
    before = slipway.containers()["demo-payments"]
    status, body = slipway.post(f"/api/v1/containers/{before['id']}/update")
    assert status == 500
    assert set(body) == {"error", "operationId"}
    inspected = engine_host.http.get("/containers/demo-payments/json").json()
    assert inspected["Id"] == before["id"]
    assert inspected["Image"] == before["image"]["id"]
    assert inspected["State"]["Running"]
    newest = slipway.history(before)[0]
    assert newest["id"] == body["operationId"]
    assert newest["status"] == "rolled-back"
    assert newest["rollbackReason"] == "Health check failed"


def test_what_was_acknowledged_survives_the_death_of_every_process(slipway: Slipway) -> None:
    shop = slipway.containers()["demo-shop-app-1"]
    status, updated = slipway.post(f"/api/v1/containers/{shop['id']}/update")
    slipway.kill()
    assert status == 200
    seconds = slipway.start()
    assert seconds < 15, "a warm start takes seconds"
    again = slipway.containers()["demo-shop-app-1"]
    assert again["id"] == updated["id"]
    assert again["image"] == updated["image"]
    (operation,) = slipway.history(again)
    assert operation["status"] == "succeeded"
    assert slipway.history(slipway.containers()["demo-payments"])[0]["status"] == "rolled-back"


def test_a_stop_reaches_the_container_and_an_event_the_list(slipway: Slipway, engine_host: EngineHost) -> None:
    one = slipway.containers()["demo-search"]
    status, body = slipway.post(f"/api/v1/containers/{one['id']}/stop")
    assert (status, body["result"]["status"]) == (200, "exited")
    assert engine_host.http.post(f"/containers/{one['id']}/start").status_code == 204
    _wait(lambda: slipway.containers()["demo-search"]["status"] == "running", 15)


def test_it_stops_cleanly_when_asked_to(slipway: Slipway) -> None:
    assert slipway.stop() == 0
    with pytest.raises(OSError):
        slipway.get("/health")
    slipway.start()


def _checked(found: Mapping[str, Any]) -> bool:
    """Whether every container of the demo is listed, with what its registry said."""
    return all("result" in found.get(one.name, {}) for one in APPLICATIONS)


def _clone(target: Path) -> None:
    """What git knows of this tree, and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    for name in listed.stdout.decode().split("\0"):
        source = ROOT / name
        if not name or not (source.is_symlink() or source.is_file()):
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name, follow_symlinks=False)


def _descendants(pid: int) -> list[int]:
    """The process and everything below it, so that none can notice the others go."""
    found, queue = [], [pid]
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with _gone_is_fine():
            text = stat.read_text()
            parent = int(text.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    while queue:
        one = queue.pop()
        found.append(one)
        queue += children.get(one, [])
    return found


class _gone_is_fine:
    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        return isinstance(error, ProcessLookupError | FileNotFoundError)


def _wait(condition: Any, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
