"""An executor with several watchers over a real store: each on its own, in sight while it works, within its window."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.bootstrap import Services
from chalicelib.config import Settings, load
from chalicelib.domain.command import Command, CommandKind, about_each
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.image_set import ImageSet
from chalicelib.ports.engine import Engine
from chalicelib.settings_watchers import WatcherSettings
from local_runtime.engine.absent import absent_engine
from local_runtime.executor.executor import Executor
from tests.docker.registry import ImageRegistry, image_registry
from tests.fakes.engine import FakeEngine
from tests.store_process import running_store, until

QUIET = WatcherSettings("local", watch_at_start=False, watch_events=False, jitter_ms=0, cron="0 0 1 1 *")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with running_store(tmp_path_factory.mktemp("watchers")) as found:
        services = Services(load({"AWS_ENDPOINT_URL": found.url}))
        assert services.tables and services.queue
        yield services


@pytest.fixture(scope="module")
def place() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


class Host:
    """An agent with watchers over engines in memory, and what the store knows of it."""

    def __init__(self, store: Services, name: str, data: Path, engines: dict[str, Engine], settings: Settings) -> None:
        self.services = Services(replace(settings, agent=name, data=data))
        # Making clients takes longer than most of these tests.
        vars(self.services).update(tables=store.tables, queue=store.queue)
        self.name = name
        self._engines = engines
        self.executor = Executor(self.services, f"{name}-1", lambda watcher: self._engines[watcher.name])

    @property
    def containers(self) -> dict[str, Container]:
        """What is known of this agent, by container name."""
        names = [watcher.name for watcher in self.services.settings.watchers]
        stored = [self.services.containers.of_watcher(self.name, name) for name in names]
        return {one.name: one for some in stored for one in some}

    @property
    def watchers(self) -> dict[str, Any]:
        """What it reports of its watchers."""
        return next(dict(agent.watchers) for agent in self.services.agents.all() if agent.name == self.name)

    def watch(self, *names: str) -> Command:
        """Ask for a check by hand, and wait for its end."""
        about = about_each([Identity(self.name, "local", name) for name in names]) if names else {}
        clock = self.services.clock
        command = Command(clock.new_id(), self.name, CommandKind.WATCH, clock.now(), arguments=about)
        self.services.commands.submit(command)
        self.services.queue.wake(self.name, command.id)
        until(lambda: self._now(command).ended)
        return self._now(command)

    def _now(self, command: Command) -> Command:
        found = self.services.commands.get(self.name, command.id)
        assert found is not None
        return found


@contextmanager
def a_host(
    store: Services, folder: Path, *watchers: WatcherSettings, start: bool = True, **engines: Engine
) -> Iterator[Host]:
    settings = replace(store.settings, watchers=watchers)
    host = Host(store, folder.name[-60:].lower(), folder, engines, settings)
    try:
        if start:
            host.executor.start()
        yield host
    finally:
        host.executor.stop(0)


def an_engine(*names: str, image: str = "made-here:1", digest: str | None = None, **body: Any) -> FakeEngine:
    """An engine on which these containers run."""
    engine = FakeEngine()
    engine.add_image(image, digests={f"{image.rpartition(':')[0]}@{digest}"} if digest else set())
    for name in names:
        engine.start(engine.create(name, {"Image": image} | body))
    return engine


def within(seconds: float, look: Callable[[], Any]) -> Any:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)
    return found


def test_a_watcher_that_cannot_be_reached_never_stops_the_others(store: Services, tmp_path: Path) -> None:
    broken = replace(QUIET, name="far", problem="DD_WATCHER_FAR_HOST: gopher is not spoken here.", watch_at_start=True)
    with a_host(store, tmp_path, broken, QUIET, far=absent_engine(str(broken.problem)), local=an_engine("web")) as host:
        ended = host.watch()
        assert ended.result["checked"] == 1
        assert "gopher is not spoken here" in ended.result["problems"]["far"]
        assert set(host.containers) == {"web"}
        assert "gopher is not spoken here" in within(30, lambda: host.watchers["far"].get("error"))
        assert "error" not in host.watchers["local"]


def test_a_check_fails_with_the_reason_when_no_watcher_can_be_read(store: Services, tmp_path: Path) -> None:
    engine = an_engine("web")
    engine.fail(on="containers", times=1000)
    with a_host(store, tmp_path, QUIET, local=engine) as host:
        ended = host.watch()
        assert ended.state == "failed" and "no answer" in ended.result["error"]


def test_two_engines_of_one_agent_keep_their_containers_apart(store: Services, tmp_path: Path) -> None:
    with a_host(
        store, tmp_path, QUIET, replace(QUIET, name="nas"), local=an_engine("web"), nas=an_engine("web", "db")
    ) as host:
        assert host.watch().result == {"checked": 3}
        local = host.services.containers.of_watcher(host.name, "local")
        nas = host.services.containers.of_watcher(host.name, "nas")
        assert ([one.name for one in local], sorted(one.name for one in nas)) == (["web"], ["db", "web"])


def test_an_image_is_read_once_for_all_its_containers(store: Services, tmp_path: Path) -> None:
    engine = an_engine(*(f"web-{number}" for number in range(30)))
    with a_host(store, tmp_path, QUIET, local=engine) as host:
        assert host.watch().result == {"checked": 30}
        assert [method for method, _ in engine.calls].count("image") == 1


def test_nothing_is_forgotten_when_the_list_cannot_be_read(store: Services, tmp_path: Path) -> None:
    engine = an_engine("web", "db")
    with a_host(store, tmp_path, QUIET, local=engine) as host:
        host.watch()
        engine.remove("db", force=True)
        engine.fail(on="containers")
        assert host.watch().state == "failed"
        assert set(host.containers) == {"web", "db"}
        host.watch()
        assert set(host.containers) == {"web"}


def test_a_container_that_cannot_be_looked_at_is_not_known_to_be_gone(store: Services, tmp_path: Path) -> None:
    engine = an_engine("web", "db")
    with a_host(store, tmp_path, QUIET, local=engine) as host:
        host.watch()
        engine.stop("db")
        engine.fail(on="inspect", times=2)
        host.watch()
        assert set(host.containers) == {"web", "db"}
        host.watch()
        assert host.containers["db"].status == "exited"


def test_a_cycle_is_in_sight_while_it_runs_and_afterwards(
    store: Services, tmp_path: Path, place: ImageRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    digest = place.push_image("progress", "1.0")
    engine = an_engine("web", "db", image=place.reference("progress", "1.0"), digest=digest)
    with a_host(store, tmp_path, QUIET, local=engine) as host, caplog.at_level("INFO"):
        planned = within(30, lambda: host.watchers["local"]["progress"].get("nextRunAt"))
        assert planned.endswith("+00:00") and "-01-01T00:00:00" in planned
        seen: list[dict[str, Any]] = []
        watcher = host.executor._stations["local"].watcher
        report = watcher.progress.changed
        watcher.progress.changed = lambda: (seen.append(watcher.progress.facts()), report())  # type: ignore[func-returns-value]
        host.watch()
        running = [(one["checked"], one["total"]) for one in seen if one.get("running")]
        assert running[0] == (0, 0) and running[-1] == (2, 2) and all("startedAt" in one for one in seen[:-1])
        done = within(30, lambda: (facts := host.watchers["local"]["progress"]).get("lastRunAt") and facts)
        assert (done["running"], done["lastChecked"], done["lastErrors"]) == (False, 2, 0)
        assert "checked" not in done
    lines = [record.message for record in caplog.records if record.name.endswith("progress")]
    assert lines[0] == "watcher local: checking 2 containers"
    assert lines[-1].startswith("watcher local: 2 containers checked in ")


def test_outside_its_window_a_watcher_reads_the_engine_and_leaves_registries_alone(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("window", "1.0")
    place.push_image("window", "1.1")
    engine = an_engine("web", image=place.reference("window", "1.0"), digest=digest)
    closed = replace(QUIET, watch_at_start=True, window="* * 29 2 1")
    mark = len(place.access_log())
    with a_host(store, tmp_path, closed, local=engine) as host:
        within(30, lambda: host.containers)
        within(30, lambda: host.watchers["local"]["progress"].get("lastRunAt"))
        assert place.requests_since(mark) == []
        assert host.watchers["local"]["maintenancewindow"] == "* * 29 2 1"
        host.watch("web")
        assert host.containers["web"].result is not None and host.containers["web"].result.tag == "1.1"


def test_an_image_set_speaks_for_containers_that_say_nothing(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("sets", "1.0")
    for tag in ("1.1", "2.0"):
        place.push_image("sets", tag)
    engine = an_engine("web", image=place.reference("sets", "1.0"), digest=digest)
    own = engine.create("own", {"Image": place.reference("sets", "1.0"), "Labels": {"wud.tag.include": "^2"}})
    engine.start(own)
    sets = (ImageSet("sets", "sets", {"tag.include": "^1", "display.name": "From a set"}),)
    with a_host(store, tmp_path, replace(QUIET, image_sets=sets, tag_family="loose"), local=engine) as host:
        host.watch()
        found = host.containers
        assert {name: one.result and one.result.tag for name, one in found.items()} == {"web": "1.1", "own": "2.0"}
        assert found["web"].display_name == "From a set" and found["web"].wishes.tag_family == "loose"
        assert "dd.tag.include" not in found["web"].labels


def test_the_running_version_can_be_told_by_the_image_itself(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("told", "latest")
    place.push_image("told", "1.2.4")
    labels = {"dd.inspect.tag.path": "Config/Labels/version", "version": "1.2.3"}
    engine = an_engine("web", image=place.reference("told", "latest"), digest=digest, Labels=labels)
    with a_host(store, tmp_path, QUIET, local=engine) as host:
        host.watch()
        found = host.containers["web"]
        assert (found.image.tag.value, found.update.remote_value) == ("1.2.3", "1.2.4")
        assert found.image.reference == place.reference("told", "latest")


def test_an_agent_reports_its_registries_without_their_secrets(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("told-of", "1.0")
    engine = an_engine("web", image=place.reference("told-of", "1.0"), digest=digest)
    with a_host(store, tmp_path, QUIET, start=False, local=engine) as idle:
        settings = replace(
            idle.services.settings,
            registries={"custom": {"own": {"url": f"http://{place.address}", "login": "ada", "password": "s3cret"}}},
        )
    host = Host(store, settings.agent, tmp_path, {"local": engine}, settings)
    try:
        host.executor.start()
        host.watch()
        facts = host.services.registries.described()
    finally:
        host.executor.stop(0)
    own = next(one for one in facts if (one["type"], one["name"]) == ("custom", "own"))
    assert own["configuration"] == {"url": f"http://{place.address}", "anonymous": False}
    assert [one["host"] for one in own["metadata"]["hosts"]] == [place.address]
    assert "s3cret" not in str(facts)


def test_what_happens_on_the_engine_is_known_and_checked_without_a_scan(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("followed", "1.0")
    place.push_image("followed", "1.1")
    engine = an_engine(image=place.reference("followed", "1.0"), digest=digest)
    with a_host(store, tmp_path, replace(QUIET, watch_events=True), local=engine) as host:
        within(30, lambda: ("events", "") in engine.calls)
        made = engine.create("web", {"Image": place.reference("followed", "1.0")})
        engine.start(made)
        within(30, lambda: (one := host.containers.get("web")) and one.result and one.result.tag == "1.1")
        engine.stop("web")
        within(30, lambda: host.containers["web"].status == "exited")
        engine.remove("web")
        within(30, lambda: not host.containers)


def test_events_missed_while_the_stream_was_broken_are_made_up_for_at_no_cost_to_registries(
    store: Services, tmp_path: Path, place: ImageRegistry
) -> None:
    digest = place.push_image("missed", "1.0")
    engine = an_engine("old", image=place.reference("missed", "1.0"), digest=digest)
    with a_host(store, tmp_path, replace(QUIET, watch_events=True), local=engine) as host:
        host.watch()
        mark = len(place.access_log())
        engine.fail(on="events")
        engine.stop("old")
        # Forgotten by the engine by the time somebody asks again.
        engine._events.clear()
        host.executor._followers[0]._stream.close()  # type: ignore[union-attr]
        within(30, lambda: host.containers["old"].status == "exited")
        assert place.requests_since(mark) == []
