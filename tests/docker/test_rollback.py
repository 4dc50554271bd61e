"""Manual rollbacks, previews and cancelled updates of real containers; and an engine that restarts in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.backup import Backup
from chalicelib.domain.command import Command, CommandKind, about
from chalicelib.domain.operation import CANCELLED, ROLLBACK, Operation, Phase
from chalicelib.ports.engine import Engine
from tests.docker.executing import Executing, executing
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine
from tests.docker.site import FAILING, Site, Subject
from tests.store_process import running_store

ALWAYS = {"Name": "always", "MaximumRetryCount": 0}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running.url


def published(host: EngineHost, registry: ImageRegistry) -> Site:
    site = Site(host, registry, "rollbacks")
    site.publish("1")
    site.publish("2", labels={"build": "two"}, workdir="/data")
    site.publish("unhealthy", healthcheck=FAILING)
    return site


@pytest.fixture(scope="module")
def site(engine_host: EngineHost, registry: ImageRegistry) -> Site:
    return published(engine_host, registry)


@pytest.fixture(scope="module")
def running(site: Site, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executing]:
    with executing(site, store, tmp_path_factory.mktemp("executor")) as made:
        yield made


def roll_back(running: Executing, subject: Subject, backup: Backup) -> Operation:
    """Ask for it as the API does, and wait for its end."""
    facts = {
        "kind": ROLLBACK,
        "backup_id": backup.id,
        "wanted_digest": backup.image_digest,
        "wanted_image_id": backup.image_id,
        "target_image": backup.reference(pinned=False),
        "container_id": running.site.inspect(subject.name)["Id"],
    }
    return running.update(subject, backup.image_tag, **facts)


def backups(running: Executing, subject: Subject) -> list[Backup]:
    return list(running.services.backups.of(running.identity(subject.name)))


def test_forth_and_back_and_forth_again(running: Executing, site: Site) -> None:
    subject = site.run("back", HostConfig={"RestartPolicy": ALWAYS})
    first_image = site.inspect("back")["Image"]
    assert running.update(subject, "2").phase is Phase.SUCCEEDED
    (first,) = backups(running, subject)
    assert roll_back(running, subject, first).phase is Phase.SUCCEEDED
    found = site.inspect("back")
    assert (found["Image"], found["Config"]["Image"]) == (first_image, site.reference("1"))
    assert found["HostConfig"]["RestartPolicy"] == ALWAYS
    stored = running.stored("back")
    assert stored is not None
    assert (stored.id, stored.image.tag.value) == (found["Id"], "1")
    assert (stored.image.digest.repo or "").endswith(f"@{first.image_digest}")
    second = backups(running, subject)[0]
    assert second.image_tag == "2"
    assert roll_back(running, subject, second).phase is Phase.SUCCEEDED
    assert site.inspect("back")["Config"]["Image"] == site.reference("2")
    assert site.data("back") == subject.data
    rows = [row for row in running.services.audit.newest([running.agent], 20) if row.action == "rollback"]
    assert [(row.status, row.to_version) for row in rows[:2]] == [("success", "2"), ("success", "1")]
    site.remove("back")


def test_the_image_of_a_tag_that_has_moved_on_comes_back_under_that_tag(running: Executing, site: Site) -> None:
    old = site.publish("moving", labels={"build": "1"})
    subject = site.run("moved", "moving")
    before = site.inspect("moved")["Image"]
    new = site.publish("moving", labels={"build": "2"})
    assert running.update(subject, "moving", to_version=new).phase is Phase.SUCCEEDED
    (backup,) = backups(running, subject)
    assert backup.image_digest == old
    # The engine has forgotten it: it is fetched by its digest, not by the tag.
    site.host.api("DELETE", f"/images/{before}", params={"force": "1"})
    ended = roll_back(running, subject, backup)
    assert (ended.phase, ended.bound_digest) == (Phase.SUCCEEDED, old)
    found = site.inspect("moved")
    assert (found["Image"], found["Config"]["Image"]) == (before, site.reference("moving"))
    assert found["Config"]["Labels"]["build"] == "1"
    stored = running.stored("moved")
    assert stored is not None and (stored.image.digest.repo or "").endswith(f"@{old}")
    site.remove("moved")


def test_a_tag_that_has_moved_on_is_not_taken_for_the_old_image(running: Executing, site: Site) -> None:
    old = site.publish("lost", labels={"build": "1"})
    subject = site.run("gone", "lost")
    before = site.inspect("gone")["Image"]
    new = site.publish("lost", labels={"build": "2"})
    assert running.update(subject, "lost", to_version=new).phase is Phase.SUCCEEDED
    (backup,) = backups(running, subject)
    site.host.api("DELETE", f"/images/{before}", params={"force": "1"})
    site.registry.delete_image(site.repository, old)
    here = site.inspect("gone")
    ended = roll_back(running, subject, backup)
    assert (ended.phase, ended.reached) == (Phase.FAILED, Phase.PREPARE)
    assert "is another image today" in (ended.last_error or "")
    assert site.inspect("gone")["Id"] == here["Id"]
    site.remove("gone")


def test_a_rollback_to_what_does_not_live_leaves_the_present_container(running: Executing, site: Site) -> None:
    subject = site.run("kept", HostConfig={"RestartPolicy": ALWAYS})
    image = site.registry.manifest(site.repository, "unhealthy").headers["Docker-Content-Digest"]
    facts = {"kind": ROLLBACK, "backup_id": "b", "wanted_digest": image}
    ended = running.update(subject, "unhealthy", **facts)
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "health_gate_failed")
    found = site.inspect("kept")
    assert (found["Id"], found["State"]["Running"]) == (subject.id, True)
    assert found["HostConfig"]["RestartPolicy"] == ALWAYS
    site.remove("kept")


def test_a_preview_tells_what_would_change_and_pulls_nothing(running: Executing, site: Site) -> None:
    site.publish("seen", labels={"build": "seen"}, env={"VERSION": "seen", "API_TOKEN": "of the image"})
    subject = site.run("ahead", Env=["MINE=kept"])
    images = {tag for one in site.host.api("GET", "/images/json") for tag in one["RepoTags"] or ()}
    clock = running.services.clock
    asked = about(running.identity("ahead"), subject.id) | {
        "trigger": "docker.local",
        "from_version": "1",
        "to_version": "seen",
        "target_image": site.reference("seen"),
    }
    command = Command(clock.new_id(), running.agent, CommandKind.PREVIEW, clock.now(), arguments=asked)
    running.services.commands.submit(command)
    running.services.queue.wake(running.agent, command.id)
    result = running.end_of(command.id).result
    assert (result["is_running"], result["networks"]) == (True, ["bridge"])
    changes = {one["path"]: (one["before"], one["after"]) for one in result["changes"]}
    assert changes == {
        "Image": (site.reference("1"), site.reference("seen")),
        "Env.VERSION": ("1", "seen"),
        "Env.API_TOKEN": (None, "***"),
        "Labels.build": (None, "seen"),
    }
    after = {tag for one in site.host.api("GET", "/images/json") for tag in one["RepoTags"] or ()}
    assert after == images
    assert site.inspect("ahead")["Id"] == subject.id
    site.remove("ahead")


class Interrupted:
    """An engine; before the call of that name whatever is to happen happens, once."""

    def __init__(self, engine: Engine, method: str, happen: Callable[[], object]) -> None:
        self._engine, self._method, self._happen = engine, method, happen
        self._happened = threading.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name != self._method or self._happened.is_set():
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            if not self._happened.is_set():
                self._happened.set()
                self._happen()
            return found(*arguments, **options)

        return call


@pytest.mark.parametrize("method", ["rename", "create"])
def test_an_update_cancelled_under_way_is_undone(site: Site, store: str, tmp_path: Path, method: str) -> None:
    operations: list[Operation] = []

    def cancel() -> None:
        (operation,) = made.services.operations.open_of(made.agent)
        made.services.operations.ask_for_end(operation)
        operations.append(operation)

    with executing(site, store, tmp_path, wrap=lambda engine: Interrupted(engine, method, cancel)) as made:
        subject = site.run("unwanted")
        ended = made.update(subject, "2")
    assert operations
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, CANCELLED)
    found = site.inspect("unwanted")
    assert (found["Id"], found["State"]["Running"]) == (subject.id, True)
    site.remove("unwanted")


def test_an_engine_that_restarts_at_the_health_gate_does_not_start_the_old_container(
    registry: ImageRegistry, store: str, tmp_path: Path
) -> None:
    """dockerd starts whatever has the policy `always`, even what was stopped: so the old one has none meanwhile."""
    slow = {"Test": ["CMD", "sh", "-c", "[ -e /data/healthy ]"], "Interval": 200_000_000, "Retries": 1000}
    with docker_engine() as host:
        site = published(host, registry)
        site.publish("slow", healthcheck=slow)
        seen: list[tuple[str, str, bool]] = []

        def restart() -> None:
            host.restart()
            for name in site.names():
                found = site.inspect(name)
                seen.append((name, found["HostConfig"]["RestartPolicy"]["Name"], found["State"]["Running"]))

        with executing(site, store, tmp_path, liveness_grace_ms=0, health_gate_seconds=3) as made:
            subject = site.run("twice", HostConfig={"RestartPolicy": ALWAYS})
            operation = site.ask(made.services, made.agent, subject, "slow")
            made.services.queue.wake(made.agent, operation.id)
            deadline = threading.Event()
            for _ in range(200):
                if made.operation(operation).phase is Phase.HEALTH_GATE:
                    break
                deadline.wait(0.05)
            restart()
            made.end_of(operation.id)
            ended = made.operation(operation)
        old = [(policy, up) for name, policy, up in seen if name != "twice"]
        assert old == [("no", False)], seen
        assert ended.phase is Phase.ROLLED_BACK, ended
        assert list(site.names()) == ["twice"]
        found = site.inspect("twice")
        assert (found["Id"], found["State"]["Running"]) == (subject.id, True)
        assert found["HostConfig"]["RestartPolicy"] == ALWAYS
        site.remove("twice")
