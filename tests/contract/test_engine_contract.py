"""What the Engine port promises, asked of the real engine and of the fake alike."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest

from chalicelib.domain.post_start import Execution
from chalicelib.ports.engine import (
    Engine,
    EngineConflict,
    EngineError,
    EngineNotFound,
    EngineRejected,
    EngineUnavailable,
    Event,
    EventStream,
    Executed,
    ExecutionLate,
    PullFailed,
    PullProgress,
)
from local_runtime.engine.docker_engine import DockerEngine
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine, image_registry
from tests.fakes.engine import FakeEngine

SLEEP = ["sleep", "3600"]
SECOND = 1_000_000_000


class World(Protocol):
    """An engine, and the means to put things into it that the port itself does not make."""

    engine: Engine

    def image(self, reference: str, **defaults: Any) -> str: ...
    def offer(self, repository: str, tag: str, **defaults: Any) -> str: ...
    def network(self, name: str) -> None: ...
    def let_pass(self, seconds: float) -> None: ...


class RealWorld:
    def __init__(self, host: EngineHost, registry: ImageRegistry) -> None:
        self.engine: Engine = DockerEngine(host.base_url)
        self._host = host
        self._registry = registry

    def image(self, reference: str, **defaults: Any) -> str:
        return self._host.build_image(reference, stopsignal="SIGKILL", **defaults)

    def offer(self, repository: str, tag: str, **defaults: Any) -> str:
        self._registry.push_image(repository, tag, stopsignal="SIGKILL", **defaults)
        return self._registry.reference(repository, tag)

    def network(self, name: str) -> None:
        self._host.cli("network", "create", name)

    def let_pass(self, seconds: float) -> None:
        time.sleep(seconds)


class FakeWorld:
    def __init__(self) -> None:
        self.fake = FakeEngine()
        self.engine: Engine = self.fake

    def image(self, reference: str, **defaults: Any) -> str:
        return self.fake.add_image(reference, _inspected(defaults), **_script(defaults))

    def offer(self, repository: str, tag: str, **defaults: Any) -> str:
        reference = f"registry.test/{repository}:{tag}"
        self.fake.offer(reference, _inspected(defaults), **_script(defaults))
        return reference

    def network(self, name: str) -> None:
        self.fake.networks.add(name)

    def let_pass(self, seconds: float) -> None:
        self.fake.advance(seconds)


def _inspected(defaults: dict[str, Any]) -> dict[str, Any]:
    config = {
        "Cmd": defaults.get("cmd", SLEEP),
        "Labels": defaults.get("labels"),
        "Healthcheck": defaults.get("healthcheck"),
    }
    return config | {"Env": ["PATH=/bin", *(f"{key}={value}" for key, value in defaults.get("env", {}).items())]}


def _script(defaults: dict[str, Any]) -> dict[str, Any]:
    """The fake runs no programs, so it is told what the real ones would do."""
    script: dict[str, Any] = {}
    command = defaults.get("cmd", SLEEP)
    if command[0] == "false":
        script["exits"] = (0, 1)
    check = (defaults.get("healthcheck") or {}).get("Test")
    if check:
        script["health"] = ((0.5, "healthy" if check[-1] == "true" else "unhealthy"),)
    return script


@pytest.fixture(scope="module")
def real() -> Iterator[RealWorld]:
    with docker_engine() as host, image_registry() as registry:
        yield RealWorld(host, registry)


@pytest.fixture(params=["real", "fake"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue("real") if request.param == "real" else FakeWorld()
    return found


@pytest.fixture
def engine(world: World) -> Engine:
    return world.engine


@pytest.fixture
def name() -> str:
    return f"c-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def image(world: World) -> str:
    reference = "contract:1"
    world.image(reference, cmd=SLEEP, env={"COLOUR": "red"}, labels={"from": "image"})
    return reference


@pytest.fixture
def container(engine: Engine, image: str, name: str) -> Iterator[str]:
    made = engine.create(name, {"Image": image})
    yield made
    engine.remove(made, force=True)


def status(engine: Engine, container: str) -> str:
    return str(engine.inspect(container)["State"]["Status"])


def eventually(world: World, reached: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 15
    while not reached() and time.monotonic() < deadline:
        world.let_pass(0.1)
    return reached()


def test_the_engine_says_what_it_is(engine: Engine) -> None:
    assert tuple(int(part) for part in engine.api_version().split(".")) >= (1, 24)
    assert engine.info()["DefaultRuntime"] == "runc"


def test_a_created_container_is_not_running_and_has_what_its_image_gives(
    engine: Engine, image: str, container: str, name: str
) -> None:
    found = engine.inspect(container)
    assert (found["Id"], found["Name"], found["State"]["Status"]) == (container, f"/{name}", "created")
    assert found["Image"] == engine.image(image)["Id"]
    assert found["Config"]["Image"] == image
    assert found["Config"]["Cmd"] == SLEEP
    assert "COLOUR=red" in found["Config"]["Env"]
    assert found["Config"]["Labels"] == {"from": "image"}
    assert found["Config"]["Hostname"] == container[:12]


def test_what_a_container_is_given_outweighs_its_image(engine: Engine, image: str, name: str) -> None:
    body = {"Image": image, "Cmd": ["sleep", "7"], "Env": ["COLOUR=blue"], "Labels": {"own": "yes"}}
    made = engine.create(name, body)
    config = engine.inspect(made)["Config"]
    engine.remove(made)
    assert config["Cmd"] == ["sleep", "7"]
    assert "COLOUR=blue" in config["Env"]
    assert "COLOUR=red" not in config["Env"]
    assert config["Labels"] == {"from": "image", "own": "yes"}


def test_only_running_containers_are_listed_unless_all_are_wanted(
    engine: Engine, image: str, container: str, name: str
) -> None:
    assert container not in [found["Id"] for found in engine.containers()]
    (found,) = [found for found in engine.containers(all=True) if found["Id"] == container]
    assert (found["Names"], found["Image"], found["State"]) == ([f"/{name}"], image, "created")
    assert found["ImageID"] == engine.image(image)["Id"]
    engine.start(container)
    assert container in [found["Id"] for found in engine.containers()]


def test_a_name_is_taken_once(engine: Engine, image: str, container: str, name: str) -> None:
    with pytest.raises(EngineConflict):
        engine.create(name, {"Image": image})
    other = engine.create(f"{name}-other", {"Image": image})
    try:
        with pytest.raises(EngineConflict):
            engine.rename(other, name)
    finally:
        engine.remove(other)


def test_a_container_needs_an_image_that_is_here(engine: Engine, name: str) -> None:
    with pytest.raises(EngineNotFound):
        engine.create(name, {"Image": "absent:1"})
    with pytest.raises(EngineNotFound):
        engine.inspect(name)


def test_nothing_can_be_done_to_a_container_that_does_not_exist(engine: Engine) -> None:
    acts: list[Callable[[str], object]] = [engine.inspect, engine.start, engine.stop, engine.restart, engine.kill]
    for act in acts:
        with pytest.raises(EngineNotFound):
            act("absent")
    with pytest.raises(EngineNotFound):
        engine.rename("absent", "present")


def test_removing_what_is_gone_is_no_error(engine: Engine, container: str) -> None:
    engine.remove(container)
    engine.remove(container)
    assert engine.wait_removed(container, 1)


def test_a_renamed_container_answers_to_its_new_name_only(engine: Engine, container: str, name: str) -> None:
    engine.rename(name, f"{name}-new")
    assert engine.inspect(f"{name}-new")["Id"] == container
    with pytest.raises(EngineNotFound):
        engine.inspect(name)


def test_a_restart_policy_is_changed_and_nothing_else(engine: Engine, container: str) -> None:
    engine.start(container)
    before = engine.inspect(container)
    engine.set_restart(container, {"Name": "on-failure", "MaximumRetryCount": 3})
    after = engine.inspect(container)
    assert after["HostConfig"]["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
    assert after["Config"] == before["Config"]
    kept = {key: value for key, value in after["HostConfig"].items() if key != "RestartPolicy"}
    assert kept == {key: value for key, value in before["HostConfig"].items() if key != "RestartPolicy"}
    engine.set_restart(container, {"Name": "no", "MaximumRetryCount": 0})
    assert engine.inspect(container)["HostConfig"]["RestartPolicy"]["Name"] == "no"
    with pytest.raises(EngineNotFound):
        engine.set_restart("absent", {"Name": "no"})


def test_starting_and_stopping_twice_is_no_error(engine: Engine, container: str) -> None:
    for _ in range(2):
        engine.start(container)
        assert status(engine, container) == "running"
    for _ in range(2):
        engine.stop(container)
        assert status(engine, container) == "exited"


def test_a_restart_starts_a_stopped_container(engine: Engine, container: str) -> None:
    engine.restart(container)
    first = engine.inspect(container)["State"]
    engine.restart(container, timeout=0)
    second = engine.inspect(container)["State"]
    assert (first["Status"], second["Status"]) == ("running", "running")
    assert second["StartedAt"] > first["StartedAt"]


def test_only_a_running_container_can_be_killed(engine: Engine, container: str) -> None:
    with pytest.raises(EngineConflict):
        engine.kill(container)
    engine.start(container)
    engine.kill(container)
    state = engine.inspect(container)["State"]
    assert (state["Status"], state["ExitCode"]) == ("exited", 137)


def test_a_running_container_is_removed_by_force_only(engine: Engine, container: str) -> None:
    engine.start(container)
    with pytest.raises(EngineConflict):
        engine.remove(container)
    assert not engine.wait_removed(container, 0.2)
    engine.remove(container, force=True)
    with pytest.raises(EngineNotFound):
        engine.inspect(container)


def test_a_container_that_removes_itself_vanishes_when_it_stops(engine: Engine, image: str, name: str) -> None:
    made = engine.create(name, {"Image": image, "HostConfig": {"AutoRemove": True}})
    engine.start(made)
    engine.stop(made)
    engine.remove(made)
    assert engine.wait_removed(made, 10)


@pytest.fixture
def dependent(engine: Engine, image: str, container: str, name: str) -> Iterator[Callable[[str], str]]:
    """Makes and starts a container in that kind of namespace of `container`, which runs: its id."""
    made: list[str] = []

    def run(kind: str) -> str:
        made.append(
            engine.create(f"{name}-dependent", {"Image": image, "HostConfig": {kind: f"container:{container}"}})
        )
        engine.start(made[0])
        return made[0]

    engine.start(container)
    yield run
    for one in made:
        engine.remove(one, force=True)


@pytest.mark.parametrize(("kind", "left"), [("NetworkMode", "running"), ("PidMode", "exited")])
def test_only_who_lives_among_its_processes_ends_with_a_container(
    world: World, engine: Engine, container: str, dependent: Callable[[str], str], kind: str, left: str
) -> None:
    made = dependent(kind)
    engine.stop(container)
    assert eventually(world, lambda: status(engine, made) == left)
    engine.start(container)
    assert status(engine, made) == left
    engine.restart(made)
    assert status(engine, made) == "running"


@pytest.mark.parametrize("kind", ["NetworkMode", "PidMode"])
def test_nobody_starts_in_a_namespace_of_what_does_not_run(
    world: World, engine: Engine, container: str, dependent: Callable[[str], str], kind: str
) -> None:
    made = dependent(kind)
    engine.stop(made)
    engine.stop(container)
    with pytest.raises(EngineError):
        engine.start(made)
    engine.remove(container)
    with pytest.raises(EngineError):
        engine.start(made)
    assert not engine.inspect(made)["State"]["Running"]


@pytest.mark.parametrize(
    ("command", "code", "output"),
    [(("true",), 0, b""), (("false",), 1, b""), (("echo", "said", "aloud"), 0, b"said aloud\n")],
)
def test_a_command_inside_a_container_tells_how_it_ended(
    engine: Engine, container: str, command: tuple[str, ...], code: int, output: bytes
) -> None:
    engine.start(container)
    assert engine.execute(container, Execution(command), 30) == Executed(code, output)


def test_a_program_a_container_does_not_have_ends_badly(engine: Engine, container: str) -> None:
    engine.start(container)
    try:
        assert engine.execute(container, Execution(("no-such-program",)), 30).code in (126, 127)
    except EngineRejected as refused:
        # Newer engines refuse it outright.
        assert "no-such-program" in str(refused)


def test_a_command_that_does_not_end_is_not_waited_for(engine: Engine, container: str) -> None:
    engine.start(container)
    with pytest.raises(ExecutionLate):
        engine.execute(container, Execution(("sleep", "60")), 0.3)


def test_nothing_is_run_in_what_does_not_run(engine: Engine, container: str) -> None:
    with pytest.raises(EngineConflict):
        engine.execute(container, Execution(("true",)), 30)


def test_a_command_that_fails_leaves_its_exit_code(world: World, engine: Engine, name: str) -> None:
    world.image("contract:fails", cmd=["false"])
    made = engine.create(name, {"Image": "contract:fails"})
    engine.start(made)
    assert eventually(world, lambda: status(engine, made) == "exited")
    assert engine.inspect(made)["State"]["ExitCode"] == 1
    engine.remove(made)


@pytest.mark.parametrize(("check", "health"), [("true", "healthy"), ("false", "unhealthy")])
def test_a_health_check_starts_and_then_decides(
    world: World, engine: Engine, name: str, check: str, health: str
) -> None:
    test = {"Test": ["CMD", check], "Interval": SECOND // 5, "Retries": 1, "Timeout": 5 * SECOND}
    world.image(f"contract:{health}", cmd=SLEEP, healthcheck=test)
    made = engine.create(name, {"Image": f"contract:{health}"})
    engine.start(made)
    try:
        assert engine.inspect(made)["State"]["Health"]["Status"] == "starting"
        assert eventually(world, lambda: engine.inspect(made)["State"]["Health"]["Status"] == health)
    finally:
        engine.remove(made, force=True)


def test_a_container_without_a_health_check_has_no_health(engine: Engine, container: str) -> None:
    engine.start(container)
    assert "Health" not in engine.inspect(container)["State"]


def test_a_pulled_image_is_here_with_its_digest(world: World, engine: Engine) -> None:
    reference = world.offer("contract/pulled", "1.0", cmd=SLEEP, labels={"n": uuid.uuid4().hex})
    with pytest.raises(EngineNotFound):
        engine.image(reference)
    seen: list[PullProgress] = []
    engine.pull(reference, progress=seen.append)
    found = engine.image(reference)
    assert reference in found["RepoTags"]
    (digest,) = found["RepoDigests"]
    assert engine.image(digest)["Id"] == found["Id"]
    assert any(progress.status for progress in seen)


def test_a_tag_that_moved_is_pulled_anew_and_the_old_image_stays(world: World, engine: Engine) -> None:
    reference = world.offer("contract/moving", "1", cmd=SLEEP, labels={"n": uuid.uuid4().hex})
    engine.pull(reference)
    before = engine.image(reference)
    world.offer("contract/moving", "1", cmd=SLEEP, labels={"n": uuid.uuid4().hex})
    engine.pull(reference)
    after = engine.image(reference)
    assert before["Id"] != after["Id"]
    assert engine.image(before["Id"])["RepoTags"] == []
    engine.pull(before["RepoDigests"][0])
    assert engine.image(reference)["Id"] == after["Id"]


def test_an_image_nobody_offers_cannot_be_pulled(world: World, engine: Engine) -> None:
    reference = world.offer("contract/offered", "1.0")
    with pytest.raises(PullFailed, match=r"not found|unknown"):
        engine.pull(reference.removesuffix("1.0") + "2.0")


def test_a_service_this_engine_does_not_manage_has_no_labels(engine: Engine) -> None:
    assert engine.service_labels("web") == {}
    assert engine.containers() is not None, "it is no reason to break off"


def test_a_tag_is_one_more_name(engine: Engine, image: str) -> None:
    engine.tag(image, "contract-copy:2")
    assert engine.image("contract-copy:2")["Id"] == engine.image(image)["Id"]
    named = [one["Id"] for one in engine.images() if "contract-copy:2" in (one["RepoTags"] or ())]
    assert named == [engine.image(image)["Id"]]
    engine.remove_image("contract-copy:2")
    with pytest.raises(EngineNotFound):
        engine.image("contract-copy:2")
    assert engine.image(image)


def test_an_image_in_use_is_not_removed(world: World, engine: Engine, name: str) -> None:
    world.image("contract:used", cmd=SLEEP, labels={"n": uuid.uuid4().hex})
    made = engine.create(name, {"Image": "contract:used"})
    identity = engine.image("contract:used")["Id"]
    with pytest.raises(EngineConflict):
        engine.remove_image(identity)
    engine.remove(made)
    engine.remove_image(identity)
    with pytest.raises(EngineNotFound):
        engine.remove_image(identity)


def test_a_container_joins_and_leaves_networks(world: World, engine: Engine, container: str) -> None:
    network = f"n-{uuid.uuid4().hex[:8]}"
    world.network(network)
    engine.connect(network, container, {"Aliases": ["db"]})
    networks = engine.inspect(container)["NetworkSettings"]["Networks"]
    assert set(networks) == {"bridge", network}
    assert "db" in networks[network]["Aliases"]
    engine.disconnect(network, container)
    assert set(engine.inspect(container)["NetworkSettings"]["Networks"]) == {"bridge"}
    engine.start(container)
    with pytest.raises(EngineNotFound):
        engine.connect("absent", container, {})


def test_a_network_that_does_not_exist_is_missed_at_the_start(engine: Engine, image: str, name: str) -> None:
    created = engine.create(name, {"Image": image, "HostConfig": {"NetworkMode": "absent"}})
    connected = engine.create(f"{name}-2", {"Image": image})
    engine.connect("absent", connected, {})
    for made in (created, connected):
        with pytest.raises(EngineNotFound):
            engine.start(made)
        assert status(engine, made) == "created"
        engine.remove(made)


def test_a_container_is_created_on_its_network(world: World, engine: Engine, image: str, name: str) -> None:
    network = f"n-{uuid.uuid4().hex[:8]}"
    world.network(network)
    body = {
        "Image": image,
        "HostConfig": {"NetworkMode": network},
        "NetworkingConfig": {"EndpointsConfig": {network: {"Aliases": ["db"]}}},
    }
    made = engine.create(name, body)
    networks = engine.inspect(made)["NetworkSettings"]["Networks"]
    engine.remove(made)
    assert set(networks) == {network}
    assert "db" in networks[network]["Aliases"]


def events_of(stream: EventStream, container: str, last: str) -> list[Event]:
    """The events of one container up to its `last` action."""
    guard = threading.Timer(20, stream.close)
    guard.start()
    seen: list[Event] = []
    for event in stream:
        if event.container_id == container:
            seen.append(event)
            if event.action == last:
                break
    guard.cancel()
    guard.join()
    return seen


def live_a_whole_life(engine: Engine, image: str, name: str) -> str:
    made = engine.create(name, {"Image": image})
    engine.start(made)
    engine.rename(made, f"{name}-old")
    engine.stop(made)
    engine.remove(made)
    return made


def test_events_tell_the_life_of_a_container_in_order(engine: Engine, image: str, name: str) -> None:
    stream = engine.events()
    made = live_a_whole_life(engine, image, name)
    seen = events_of(stream, made, "destroy")
    stream.close()
    actions = [event.action for event in seen]
    assert actions[:3] + actions[5:] == ["create", "start", "rename", "destroy"]
    # Which of the two an engine tells first differs by its version.
    assert set(actions[3:5]) == {"die", "stop"}
    assert [event.name for event in seen] == [name, name, *[f"{name}-old"] * 4]
    assert seen[2].attributes["oldName"] == f"/{name}"
    times = [event.at for event in seen]
    assert times == sorted(times)


def test_events_that_were_missed_can_be_read_later(engine: Engine, image: str, name: str) -> None:
    stream = engine.events()
    made = live_a_whole_life(engine, image, name)
    first, *rest = events_of(stream, made, "destroy")
    stream.close()
    again = engine.events(since=first.at)
    assert events_of(again, made, "destroy") == [first, *rest]
    again.close()
    later = engine.events(since=rest[2].at)
    assert events_of(later, made, "destroy") == rest[2:]
    later.close()


def test_a_stream_of_events_is_ended_from_another_thread(engine: Engine) -> None:
    stream = engine.events()
    ended: list[list[Event]] = []
    reader = threading.Thread(target=lambda: ended.append(list(stream)))
    reader.start()
    time.sleep(0.1)
    stream.close()
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert len(ended) == 1


def test_calls_from_many_threads_do_not_mix(engine: Engine, image: str, name: str) -> None:
    made = [engine.create(f"{name}-{number}", {"Image": image}) for number in range(8)]
    wrong: list[str] = []

    def look(container: str) -> None:
        wrong.extend(container for _ in range(10) if engine.inspect(container)["Id"] != container)

    threads = [threading.Thread(target=look, args=(container,)) for container in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for container in made:
        engine.remove(container)
    assert wrong == []


@pytest.mark.parametrize("acted", [False, True])
def test_the_fake_fails_before_or_after_it_has_acted(acted: bool) -> None:
    fake = FakeEngine()
    fake.add_image("contract:1")
    made = fake.create("one", {"Image": "contract:1"})
    fake.fail(on="start", before=not acted)
    with pytest.raises(EngineUnavailable):
        fake.start(made)
    assert fake.inspect(made)["State"]["Running"] is acted
    fake.start(made)
    assert fake.calls.count(("start", made)) == 2
