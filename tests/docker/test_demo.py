"""script/demo on a real engine: what it puts up, that it repairs, and that nothing of it remains."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from local_runtime.demo.catalog import APPLICATIONS
from local_runtime.demo.stage import DemoFailed, Stage
from tests.docker.rig import EngineHost

AWKWARD = "my data, all: #1"
LABELLED = {"filters": json.dumps({"label": ["slipway.demo=true"]})}


@pytest.fixture
def stage(engine_host: EngineHost, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage.at(engine_host.socket, tmp_path / AWKWARD, lambda _: None)
    try:
        yield stage
    finally:
        stage.down()
        stage.close()


def containers(engine: EngineHost) -> dict[str, dict[str, Any]]:
    listed = engine.api("GET", "/containers/json", params={"all": "1", **LABELLED})
    return {row["Names"][0].lstrip("/"): row for row in listed}


def registry_says(stage: Stage, path: str, method: str = "GET") -> tuple[http.client.HTTPMessage, bytes]:
    address = stage.registry_address()
    assert address is not None
    connection = http.client.HTTPConnection(address, timeout=5)
    accepted = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json"
    connection.request(method, path, headers={"Accept": accepted})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body
    return answer.headers, body


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def test_the_demo_shows_every_kind_of_container(stage: Stage, engine_host: EngineHost) -> None:
    stage.up()
    found = containers(engine_host)
    assert set(found) == {application.name for application in APPLICATIONS}
    wait_for(lambda: containers(engine_host)["demo-backup"]["State"] == "exited")
    running = {name for name, row in containers(engine_host).items() if row["State"] == "running"}
    assert running == set(found) - {"demo-backup"}
    wait_for(lambda: "(healthy)" in containers(engine_host)["demo-web"]["Status"])
    log = engine_host.api("GET", "/containers/demo-orders/logs", params={"stdout": "1", "stderr": "1", "tail": "100"})
    assert log.count("request") > 5
    assert {found[name]["Labels"]["com.docker.compose.project"] for name in ("demo-shop-app-1", "demo-shop-db-1")} == {
        "demo-shop"
    }


def test_the_registry_offers_newer_tags(stage: Stage) -> None:
    stage.up()
    _, body = registry_says(stage, "/v2/demo/web/tags/list")
    assert set(json.loads(body)["tags"]) == {"1.4.2", "1.4.3", "1.5.0", "2.0.0", "2.1.0-rc.1", "latest"}


def test_a_moved_tag_has_another_digest_than_the_container_runs(stage: Stage, engine_host: EngineHost) -> None:
    stage.up()
    headers, body = registry_says(stage, "/v2/demo/api/manifests/stable")
    image = engine_host.api("GET", f"/images/{containers(engine_host)['demo-api']['ImageID']}/json")
    (running,) = [name.partition("@")[2] for name in image["RepoDigests"]]
    assert running.startswith("sha256:")
    assert running != headers["Docker-Content-Digest"]
    assert json.loads(body)["mediaType"] == "application/vnd.oci.image.index.v1+json"


def test_the_newer_payments_never_gets_healthy_and_the_newer_search_crashes(
    stage: Stage, engine_host: EngineHost
) -> None:
    stage.up()
    address = stage.registry_address()
    for name in ("payments:3.2.0", "search:7.0.1"):
        engine_host.cli("pull", "-q", f"{address}/demo/{name}")
    label = ("--label", "slipway.demo=true")
    engine_host.cli("run", "-d", "--name", "demo-try-payments", *label, f"{address}/demo/payments:3.2.0")
    engine_host.cli("run", "-d", "--name", "demo-try-search", *label, f"{address}/demo/search:7.0.1")
    wait_for(lambda: "(unhealthy)" in containers(engine_host)["demo-try-payments"]["Status"])
    wait_for(lambda: "Exited (1)" in containers(engine_host)["demo-try-search"]["Status"])


def test_a_second_start_reuses_what_runs_and_repairs_what_does_not(stage: Stage, engine_host: EngineHost) -> None:
    stage.up()
    before = {name: row["Id"] for name, row in containers(engine_host).items()}
    engine_host.cli("rm", "-f", "demo-web")
    engine_host.cli("stop", "-t", "1", "demo-api")
    stage.up()
    after = containers(engine_host)
    assert {name for name in before if after[name]["Id"] != before[name]} == {"demo-web"}
    assert after["demo-api"]["State"] == "running"


def test_the_registry_comes_back_where_it_was(stage: Stage) -> None:
    stage.up()
    before = stage.registry_address()
    digest = registry_says(stage, "/v2/demo/api/manifests/stable", "HEAD")[0]["Docker-Content-Digest"]
    stage._registry.stop()
    assert stage.registry_address() is None
    stage.up()
    assert stage.registry_address() == before
    assert registry_says(stage, "/v2/demo/api/manifests/stable", "HEAD")[0]["Docker-Content-Digest"] == digest


def test_a_foreign_container_of_the_same_name_is_left_alone(stage: Stage, engine_host: EngineHost) -> None:
    stage.up()
    address = stage.registry_address()
    engine_host.cli("rm", "-f", "demo-web")
    foreign = engine_host.cli("create", "--name", "demo-web", f"{address}/demo/api:stable")
    with pytest.raises(DemoFailed, match="a container named demo-web exists and is not the demo's"):
        stage.up()
    assert engine_host.api("GET", "/containers/demo-web/json")["Id"] == foreign
    engine_host.cli("rm", "-f", "demo-web")


def test_down_leaves_nothing_behind(stage: Stage, engine_host: EngineHost, tmp_path: Path) -> None:
    images = {image["Id"] for image in engine_host.api("GET", "/images/json")}
    stage.up()
    engine_host.cli("pull", "-q", f"{stage.registry_address()}/demo/web:2.0.0")
    stage.down()
    assert containers(engine_host) == {}
    assert engine_host.api("GET", "/networks", params=LABELLED) == []
    assert not engine_host.api("GET", "/volumes", params=LABELLED)["Volumes"]
    assert {image["Id"] for image in engine_host.api("GET", "/images/json")} == images
    assert stage.registry_address() is None
    assert not (tmp_path / AWKWARD / "demo").exists()


def test_images_are_the_same_to_the_byte_on_every_run(stage: Stage, engine_host: EngineHost) -> None:
    stage.up()
    before = {name: row["ImageID"] for name, row in containers(engine_host).items()}
    stage.down()
    stage.up()
    assert {name: row["ImageID"] for name, row in containers(engine_host).items()} == before
