"""What stands on a real engine is what is stored: by scans, and soon by events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from chalicelib.config import WatcherSettings
from local_runtime.programs import free_port
from tests.docker.executing import Executing, executing
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine, image_registry
from tests.docker.site import CHECKED, Site, wait_for
from tests.store_process import running_store

SOON = 10.0
"""Usually it is a tenth of a second; no scan comes as early as this on a slow machine."""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running.url


@pytest.fixture(scope="module")
def site(engine_host: EngineHost, registry: ImageRegistry) -> Iterator[Site]:
    made = Site(engine_host, registry, "watched")
    made.publish("1.0.0")
    made.publish("1.1.0")
    made.publish("latest")
    made.publish("checked", healthcheck=CHECKED)
    yield made


@pytest.fixture(scope="module")
def watching(site: Site, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executing]:
    settings = WatcherSettings("local", watch_at_start=False, watch_all=True)
    with executing(site, store, tmp_path_factory.mktemp("executor"), watcher=settings) as made:
        yield made


@pytest.fixture(autouse=True)
def cleared(site: Site) -> Iterator[None]:
    yield
    site.host.clear()


def soon(watching: Executing, name: str, status: str | None) -> None:
    """Asserts that the store says so before any scan could have told it."""
    wait_for(lambda: watching.status(name) == status, SOON)


def test_a_newer_tag_and_a_newer_digest_are_found(watching: Executing, site: Site) -> None:
    site.run("tagged", "1.0.0")
    site.run("floating", "latest")
    newer = site.publish("latest", labels={"build": str(time.time())})
    assert watching.watch().result["checked"] == 2
    tagged, floating = watching.stored("tagged"), watching.stored("floating")
    assert tagged is not None and floating is not None
    assert (tagged.update.kind, tagged.update.remote_value, tagged.update.semver_diff) == ("tag", "1.1.0", "minor")
    assert (floating.update.kind, floating.update.remote_value) == ("digest", newer)
    rows = [row.identity.name for row in watching.services.audit.newest([watching.agent], 50)]
    assert rows.count("tagged") == 2, "added, and an update available"


def test_how_registries_answer_is_reported_with_the_heartbeat(watching: Executing, site: Site) -> None:
    site.run("timed", "1.0.0")
    assert watching.watch().result["checked"] == 1
    asked = sum(requests for requests, _ in watching.services.registries.responses().values())

    def reported() -> bool:
        agent = watching.services.agents.get(watching.agent)
        counts = agent.facts["responses"].values() if agent is not None else ()
        return sum(requests for requests, _ in counts) >= asked > 0 and all(seconds > 0 for _, seconds in counts)

    wait_for(reported)


def test_what_happens_to_a_container_is_stored_soon(watching: Executing, site: Site) -> None:
    made = site.run("web", "1.0.0").id
    soon(watching, "web", "running")
    site.host.api("POST", f"/containers/{made}/stop")
    soon(watching, "web", "exited")
    site.host.api("POST", f"/containers/{made}/start")
    soon(watching, "web", "running")
    site.host.api("POST", f"/containers/{made}/pause")
    soon(watching, "web", "paused")
    site.host.api("POST", f"/containers/{made}/unpause")
    soon(watching, "web", "running")
    site.host.api("POST", f"/containers/{made}/rename", params={"name": "site"})
    soon(watching, "site", "running")
    soon(watching, "web", None)
    site.host.api("DELETE", f"/containers/{made}", params={"force": "1"})
    soon(watching, "site", None)


def test_health_is_stored_soon(watching: Executing, site: Site) -> None:
    made = site.run("web", "checked").id
    wait_for(lambda: site.inspect(made)["State"]["Health"]["Status"] == "healthy")
    wait_for(lambda: (found := watching.stored("web")) and found.health == "healthy", SOON)


def test_a_container_recreated_as_compose_does_keeps_its_record(watching: Executing, site: Site) -> None:
    """Compose renames the old one to `{12 hex}_{name}`, creates the new one, and removes the old one."""
    site.run("pulled", "1.1.0")
    site.remove("pulled")
    old = site.run("web", "1.0.0").id
    soon(watching, "web", "running")
    seen: list[str | None] = []
    host = site.host
    host.api("POST", f"/containers/{old}/stop")
    host.api("POST", f"/containers/{old}/rename", params={"name": f"{old[:12]}_web"})
    seen.append(watching.status("web"))
    new = host.api("POST", "/containers/create", params={"name": "web"}, json={"Image": site.reference("1.1.0")})["Id"]
    host.api("POST", f"/containers/{new}/start")
    host.api("DELETE", f"/containers/{old}", params={"force": "1"})

    def is_new() -> bool:
        found = watching.stored("web")
        seen.append(found and found.status)
        return found is not None and found.id == new and found.status == "running"

    wait_for(is_new)
    assert None not in seen, "it was never missing"
    names = [one.name for one in watching.services.containers.of_watcher(watching.agent, "local")]
    assert names == ["web"]


def test_one_broken_container_or_registry_hides_no_other(watching: Executing, site: Site) -> None:
    site.run("fine", "1.0.0")
    with image_registry() as gone:
        other = Site(site.host, gone, "nobody")
        other.publish("1.0.0")
        other.run("lonely", "1.0.0")
    site.run("strange", "1.0.0", Labels={"dd.tag.transform": "(((=> $9", "dd.tag.include": "["})
    watching.watch()
    fine, lonely, strange = (watching.stored(name) for name in ("fine", "lonely", "strange"))
    assert fine is not None and lonely is not None and strange is not None
    assert (fine.update.remote_value, fine.error) == ("1.1.0", None)
    assert lonely.error
    assert (lonely.update.kind, lonely.candidate) == ("unknown", None)
    assert strange.status == "running"


def test_containers_nobody_wants_watched_are_not_stored(watching: Executing, site: Site) -> None:
    site.run("ignored", "1.0.0", Labels={"dd.watch": "false"})
    site.run("web", "1.0.0")
    watching.watch()
    soon(watching, "web", "running")
    assert watching.stored("ignored") is None


def test_an_engine_that_is_away_is_told_and_nothing_is_forgotten(
    registry: ImageRegistry, store: str, tmp_path: Path
) -> None:
    with docker_engine() as host:
        site = Site(host, registry, "watched")
        subject = site.run("web", "1.0.0")
        gone = site.run("gone", "1.0.0")
        with executing(site, store, tmp_path) as watching:
            watching.watch()
            assert (watching.status("web"), watching.status("gone")) == ("running", "running")
            host.stop()
            failed = watching.watch()
            assert "does not answer" in failed.result["error"]
            assert watching.executor._stations["local"].watcher.problem
            assert watching.stored("web") is not None and watching.stored("gone") is not None
            host.start()
            host.api("POST", f"/containers/{subject.id}/start")
            host.api("DELETE", f"/containers/{gone.id}", params={"force": "1"})
            wait_for(lambda: watching.status("gone") is None, 40)
            wait_for(lambda: watching.executor._stations["local"].watcher.problem is None, 20)
            wait_for(lambda: watching.status("web") == "running")


def test_a_service_speaks_for_its_tasks(registry: ImageRegistry, store: str, tmp_path: Path) -> None:
    with docker_engine() as host:
        site = Site(host, registry, "watched")
        site.publish("1.0.0")
        host.api("POST", "/swarm/init", json={"ListenAddr": f"127.0.0.1:{free_port()}", "AdvertiseAddr": "127.0.0.1"})
        task = {"ContainerSpec": {"Image": site.reference("1.0.0"), "Labels": {"dd.group": "of the task"}}}
        labels = {"dd.display.name": "Of the service", "dd.group": "of the service"}
        host.api("POST", "/services/create", json={"Name": "web", "Labels": labels, "TaskTemplate": task})
        try:
            with executing(site, store, tmp_path) as watching:
                name = wait_for(lambda: next((one for one in site.names() if one.startswith("web.1.")), None), 20)
                # Its events may be older than the executor.
                found = wait_for(lambda: watching.watch() and watching.stored(name), 20)
                assert (found.display_name, found.wishes.group) == ("Of the service", "of the task")
        finally:
            host.api("POST", "/swarm/leave", params={"force": "1"})
