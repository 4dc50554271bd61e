"""The whole of it as a newcomer meets it: the demo on a real engine, listed, updated, rolled back, killed."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local_runtime.demo.stage import Stage
from tests.docker.rig import EngineHost
from tests.integration.stand_ins.running import ROOT, free_port, wait_for


class Slipway:
    """`script/server --demo` without the set-up of the environment, on the tests' engine."""

    def __init__(self, engine: EngineHost, data: Path) -> None:
        self.data = data
        self._engine = engine
        self.port = free_port()
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run it, and return when it says that it is ready."""
        self.output = self.data.with_name(f"output-{time.monotonic_ns()}")
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "DD_", "SLIPWAY_"))
        }
        environment |= {"PYTHONPATH": str(ROOT), "DOCKER_HOST": self._engine.base_url}
        command = [sys.executable, "-P", "-m", "local_runtime", "--demo", "--port", str(self.port)]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [*command, "--data", str(self.data)],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        wait_for(lambda: "Slipway is ready" in self.output.read_text(), self.output.read_text, seconds=60)

    def kill_everything_and_start_again(self) -> None:
        assert self.process is not None
        self.process.kill()  # Its programs die with it.
        self.process.wait(10)
        self.start()

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(10) == 0
        finally:
            self.process.kill()
            self.http.close()

    def containers(self) -> dict[str, dict[str, Any]]:
        listed = self.http.get("/api/v1/containers").raise_for_status().json()["data"]
        return {container["name"]: container for container in listed}

    def until_checked(self) -> dict[str, dict[str, Any]]:
        wait_for(lambda: self.demo_updates() == 7, lambda: str(self.containers()) + self.output.read_text(), seconds=40)
        return self.containers()

    def demo_updates(self) -> int:
        """How many of the demo's containers have an update; the engine may hold others."""
        return sum(one["updateAvailable"] for name, one in self.containers().items() if name.startswith("demo-"))

    def update(self, name: str) -> httpx.Response:
        return self.http.post(f"/api/v1/containers/{self.containers()[name]['id']}/update", json={})


@pytest.fixture
def slipway(engine_host: EngineHost, tmp_path: Path) -> Iterator[Slipway]:
    running = Slipway(engine_host, tmp_path / "data")
    try:
        running.start()
        yield running
    finally:
        try:
            running.stop()
        finally:
            stage = Stage.at(engine_host.socket, running.data, lambda _: None)
            stage.down()
            stage.close()


def image_of(engine: EngineHost, name: str) -> tuple[str, bool]:
    """What the engine itself says: the image a container runs, and whether it runs."""
    seen = json.loads(engine.cli("inspect", name))[0]
    return seen["Config"]["Image"].partition("/")[2], seen["State"]["Running"]


def test_the_demo_is_listed_updated_rolled_back_and_survives_a_kill(slipway: Slipway, engine_host: EngineHost) -> None:
    found = slipway.until_checked()
    assert found["demo-web"]["updateKind"]["kind"] == "tag"
    assert found["demo-api"]["updateKind"]["kind"] == "digest"
    assert not found["demo-orders"]["updateAvailable"]
    before = json.loads(engine_host.cli("inspect", "demo-api"))[0]["Image"]

    for name in ("demo-web", "demo-api"):
        answer = slipway.update(name)
        assert answer.status_code == 200, answer.text
        assert answer.json()["name"] == name
    assert image_of(engine_host, "demo-web") == ("demo/web:2.0.0", True)
    assert json.loads(engine_host.cli("inspect", "demo-api"))[0]["Image"] != before

    for name, image in (("demo-payments", "demo/payments:3.1.0"), ("demo-search", "demo/search:7.0.0")):
        answer = slipway.update(name)
        assert answer.status_code == 500, answer.text
        assert answer.json()["operationId"]
        assert image_of(engine_host, name) == (image, True)

    known = {name: one["image"]["tag"]["value"] for name, one in slipway.containers().items()}
    slipway.kill_everything_and_start_again()
    assert {name: one["image"]["tag"]["value"] for name, one in slipway.containers().items()} == known
    payments = slipway.containers()["demo-payments"]["id"]
    operations = slipway.http.get(f"/api/v1/containers/{payments}/update-operations").raise_for_status().json()["data"]
    assert [operation["status"] for operation in operations] == ["rolled-back"]
