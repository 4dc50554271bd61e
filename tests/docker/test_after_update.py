"""What follows an update on a real engine: old images go when nothing needs them, and who falls ill is put back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config import DockerActionSettings
from chalicelib.domain.attempts import tried
from chalicelib.domain.container import Candidate, UpdateKind
from chalicelib.domain.operation import ROLLBACK, Operation, Phase
from chalicelib.domain.trigger_settings import read
from chalicelib.settings_triggers import TriggerSettings
from local_runtime.engine.docker_engine import DockerEngine
from local_runtime.executor.executor import Executor
from tests.docker.executing import Executing, executing
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import Site, Subject, wait_for
from tests.store_process import running_store

ILL_LATER = {"Test": ["CMD", "test", "!", "-e", "/data/ill"], "Interval": 100_000_000, "Retries": 2}
LOOKED_AFTER = {"dd.rollback.auto": "true", "dd.rollback.window": "60000", "dd.rollback.interval": "200"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running.url


@pytest.fixture
def site(engine_host: EngineHost, registry: ImageRegistry) -> Iterator[Site]:
    made = Site(engine_host, registry, "after")
    for tag in ("1.0", "1.1", "1.2"):
        made.publish(tag, labels={"build": tag})
    made.publish("2.0", healthcheck=ILL_LATER)
    yield made
    made.remove("web", "sibling")


def local_tags(site: Site) -> set[str]:
    images = site.host.api("GET", "/images/json")
    names = {name for image in images for name in image["RepoTags"] or ()}
    return {name.rpartition(":")[2] for name in names if name.startswith(f"{site.registry.address}/after:")}


def step(running: Executing, tag: str) -> Operation:
    """Move the container that bears the name now."""
    found = running.site.inspect("web")
    subject = Subject("web", found["Id"], running.site.data("web"))
    ended = running.update(subject, tag, to_version=tag)
    assert ended.phase is Phase.SUCCEEDED, ended.last_error
    return ended


def test_images_go_once_no_backup_and_no_container_needs_them(site: Site, store: str, tmp_path: Path) -> None:
    site.run("web", "1.0")
    first = site.host.api("GET", f"/images/{site.reference('1.0')}/json")["Id"]
    site.host.api("POST", f"/images/{first}/tag", params={"repo": "mine", "tag": "keep"})
    action = DockerActionSettings("local", prune=True, backup_count=1)
    with executing(site, store, tmp_path, docker_actions=(action,)) as running:
        step(running, "1.1")
        assert local_tags(site) >= {"1.0", "1.1"}
        site.run("sibling", "1.1", start=False)
        step(running, "1.2")
        # 1.1 is what the backup remembers; of 1.0 only the name goes that it ran under.
        assert wait_for(lambda: "1.0" not in local_tags(site))
        assert site.host.api("GET", "/images/mine:keep/json")["Id"] == first
        step(running, "2.0")
        # The sibling does not run, and its image stays all the same.
        assert local_tags(site) >= {"1.1", "1.2", "2.0"}
        backups = running.services.backups.of(running.identity("web"))
        assert [one.image_tag for one in backups] == ["1.2"]
    site.host.api("DELETE", "/images/mine:keep")


def test_who_falls_ill_after_an_update_is_put_back_also_by_the_next_executor(
    site: Site, store: str, tmp_path: Path
) -> None:
    site.run("web", "1.0", Labels=LOOKED_AFTER)
    data = site.data("web")
    triggers = TriggerSettings(read({"DD_ACTION_DOCKER_LOCAL": ""}).triggers)
    with executing(site, store, tmp_path, triggers=triggers) as running:
        running.watch()
        updated = step(running, "2.0")
        running.executor.stop(5)
        later = Executor(running.services, f"owner-{running.agent}", connect=lambda one: DockerEngine(one.base_url))
        later.start()
        try:
            site.host.cli("exec", "web", "touch", "/data/ill")

            def rolled_back() -> Operation | None:
                history = running.services.operations.history(updated.identity)
                return next((one for one in history if one.kind == ROLLBACK and one.ended), None)

            ended = wait_for(rolled_back, 30)
            assert (ended.phase, ended.automatic) == (Phase.SUCCEEDED, True), ended.last_error
            found = site.inspect("web")
            assert found["Config"]["Image"] == site.reference("1.0")
            assert found["State"]["Running"] and site.data("web") == data

            def actions() -> list[str]:
                rows = running.services.audit.newest([running.agent], 50)
                return [row.action for row in rows if ended.id in row.id]

            wait_for(actions)
            assert actions() == ["auto-rollback"]
            # The candidate is found again, and not tried again.
            stored = running.stored("web")
            assert stored is not None and stored.id == found["Id"]
            history = running.services.operations.history(updated.identity)
            now = running.services.clock.now()
            again = Candidate(UpdateKind("tag", "1.0", "2.0", "major"), now)
            assert tried(stored, again, history, now)
            assert not tried(stored, replace(again, kind=replace(again.kind, remote_value="2.1")), history, now)
        finally:
            later.stop(5)
