"""Troubles of the engine itself: its disk is full, it restarts at the worst moment, its containers take their time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import Engine
from local_runtime.engine.docker_engine import DockerEngine
from tests.docker.executing import executing
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine
from tests.docker.site import KEEPS_DATA, Site, Subject, wait_for
from tests.store_process import running_store

NEVER = {"Test": ["CMD", "sleep", "60"], "Interval": 100_000_000, "Timeout": 2_000_000_000, "Retries": 2}
STUBBORN = "trap '' TERM; " + KEEPS_DATA + "while :; do sleep 1; done"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running.url


@pytest.fixture(scope="module")
def host() -> Iterator[EngineHost]:
    with docker_engine(disk_megabytes=64) as made:
        yield made


@pytest.fixture(scope="module")
def site(host: EngineHost, registry: ImageRegistry) -> Site:
    made = Site(host, registry, "troubles")
    for tag in ("1", "2"):
        made.publish(tag)
    made.publish("large", files={"/large": os.urandom(70 << 20)})
    made.publish("never", healthcheck=NEVER)
    made.publish("stubborn", STUBBORN, stopsignal="SIGTERM")
    return made


@pytest.fixture
def subject(site: Site) -> Iterator[Subject]:
    yield site.run("web")
    site.remove("web")


class Meddling:
    """An engine before, or after, whose first call of that name something happens."""

    def __init__(self, engine: Engine, when: str, method: str, happens: Callable[[], object]) -> None:
        self._engine, self._when, self._method, self._happens = engine, when, method, happens
        self._done = False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        if name != self._method or self._done:
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            first, self._done = not self._done, True
            if first and self._when == "before":
                self._happens()
            answer = found(*arguments, **options)
            if first and self._when == "after":
                self._happens()
            return answer

        return call


def runs(site: Site, subject: Subject, tag: str) -> None:
    """One container bears the name, and it runs that tag on its data; nothing is left beside it."""
    assert site.names() == {"web": "running"}
    assert site.inspect("web")["Config"]["Image"] == site.reference(tag)
    assert site.data("web") == subject.data


class Filler:
    """What fills the engine's disk to its last byte."""

    def __init__(self, host: EngineHost) -> None:
        self._path = host.folder / "data/filler"

    def fill(self) -> None:
        with self._path.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        self._path.unlink(missing_ok=True)


@pytest.fixture
def filler(host: EngineHost) -> Iterator[Filler]:
    made = Filler(host)
    yield made
    made.free()


def test_a_disk_too_small_for_the_image_changes_nothing(
    site: Site, store: str, subject: Subject, tmp_path: Path
) -> None:
    # The engine says so in a line of an answer whose status was 200 long before.
    answer = site.host.http.post("/images/create", params={"fromImage": site.reference("large")})
    assert (answer.status_code, "no space left on device" in answer.text) == (200, True)
    with executing(site, store, tmp_path) as running:
        ended = running.update(subject, "large")
    assert (ended.phase, ended.rollback_reason) == (Phase.FAILED, None)
    assert "no space left on device" in (ended.last_error or "")
    runs(site, subject, "1")
    assert site.inspect("web")["Id"] == subject.id


@pytest.mark.parametrize("method", ["rename", "create", "stop", "start"])
def test_a_disk_that_is_full_for_a_moment_is_no_end(
    site: Site, store: str, subject: Subject, filler: Filler, tmp_path: Path, method: str
) -> None:
    def fill() -> None:
        filler.fill()
        threading.Timer(1.5, filler.free).start()

    with executing(site, store, tmp_path, wrap=lambda engine: Meddling(engine, "before", method, fill)) as running:
        ended = running.update(subject, "2")
    assert ended.ended, ended
    assert ended.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK, Phase.FAILED), ended
    runs(site, subject, "2" if ended.phase is Phase.SUCCEEDED else "1")


def test_a_disk_that_stays_full_does_not_stop_the_service(
    site: Site, store: str, subject: Subject, filler: Filler, tmp_path: Path
) -> None:
    with executing(site, store, tmp_path, wrap=lambda one: Meddling(one, "before", "create", filler.fill)) as running:
        ended = running.update(subject, "2")
        assert ended.ended and ended.phase is not Phase.SUCCEEDED
        assert site.inspect(subject.id)["State"]["Running"] is True
        filler.free()
        running.executor._order_tidying()
        wait_for(lambda: list(site.names()) == ["web"], 20)
    runs(site, subject, "1")


@pytest.mark.parametrize(("when", "method"), [("before", "pull"), ("before", "create"), ("after", "stop")])
def test_an_engine_that_restarts_in_the_middle(
    site: Site, store: str, subject: Subject, tmp_path: Path, when: str, method: str
) -> None:
    wrap = lambda engine: Meddling(engine, when, method, site.host.restart)  # noqa: E731
    with executing(site, store, tmp_path, wrap=wrap) as running:
        ended = running.update(subject, "2")
    assert ended.ended
    assert list(site.names()) == ["web"]
    if ended.phase in (Phase.SUCCEEDED, Phase.ROLLED_BACK):
        runs(site, subject, "2" if ended.phase is Phase.SUCCEEDED else "1")
    else:
        # Nothing was touched by us: the engine has stopped what it does not restart.
        assert (ended.phase, method) == (Phase.FAILED, "pull")


def test_a_candidate_that_is_never_healthy_is_given_up(
    site: Site, store: str, subject: Subject, tmp_path: Path
) -> None:
    with executing(site, store, tmp_path, health_gate_seconds=1) as running:
        ended: Operation = running.update(subject, "never")
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "health_gate_failed")
    assert "did not pass within" in (ended.last_error or "")
    runs(site, subject, "1")


def test_a_container_may_take_longer_to_stop_than_any_other_call(site: Site, store: str, tmp_path: Path) -> None:
    subject = site.run("web", "stubborn", StopTimeout=4)
    short = lambda _: DockerEngine(site.host.base_url, call_seconds=2)  # noqa: E731
    with executing(site, store, tmp_path, wrap=short) as running:
        ended = running.update(subject, "2")
    assert (ended.phase, ended.last_error) == (Phase.SUCCEEDED, None)
    runs(site, subject, "2")
    site.remove("web")
