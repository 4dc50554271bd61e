"""Updates and rollbacks of real containers, told by what stands on the engine afterwards."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.errors import Conflict
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import Engine, EngineRejected
from tests.docker.executing import Executing, executing
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine
from tests.docker.site import CHECKED, CRASHES, FAILING, KEEPS_DATA, Site, Subject, wait_for
from tests.store_process import running_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_store(tmp_path_factory.mktemp("store")) as running:
        yield running.url


def published(host: EngineHost, registry: ImageRegistry) -> Site:
    site = Site(host, registry, "updates")
    site.publish("1")
    site.publish("2")
    site.publish("checked", healthcheck=CHECKED)
    site.publish("unhealthy", healthcheck=FAILING)
    site.publish("crash", CRASHES)
    site.publish("done", "sleep 0.1; exit 0")
    return site


@pytest.fixture(scope="module")
def site(engine_host: EngineHost, registry: ImageRegistry) -> Iterator[Site]:
    yield published(engine_host, registry)


@pytest.fixture(scope="module")
def running(site: Site, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Executing]:
    with executing(site, store, tmp_path_factory.mktemp("executor")) as made:
        yield made


@pytest.fixture
def subject(site: Site) -> Iterator[Subject]:
    yield site.run("web")
    site.remove("far", "side", "web")


def stands(site: Site, subject: Subject, tag: str, *, running: bool = True) -> dict[str, Any]:
    """The container's inspect document, once it is sure that it runs that tag, alone, with its data."""
    names = [name for name in site.names() if name.startswith(subject.name)]
    assert names == [subject.name]
    found = dict(site.inspect(subject.name))
    assert found["Config"]["Image"] == site.reference(tag)
    assert found["State"]["Running"] is running
    assert site.data(subject.name) == subject.data
    return found


def test_a_running_container_moves_with_its_data(running: Executing, site: Site, subject: Subject) -> None:
    ended = running.update(subject, "2")
    assert (ended.phase, ended.last_error) == (Phase.SUCCEEDED, None)
    found = stands(site, subject, "2")
    stored = running.stored("web")
    assert stored is not None
    assert (stored.id, stored.image.tag.value, stored.status) == (found["Id"], "2", "running")
    assert stored.former_ids == (subject.id,)
    assert [mount["Name"] for mount in found["Mounts"]] and ended.new_container_id == found["Id"]


def test_a_stopped_container_moves_and_stays_stopped(running: Executing, site: Site) -> None:
    subject = site.run("web", start=False)
    ended = running.update(subject, "2")
    assert ended.phase is Phase.SUCCEEDED
    stands(site, subject, "2", running=False)
    site.remove("web")


def test_a_health_check_has_to_pass_first(running: Executing, site: Site, subject: Subject) -> None:
    ended = running.update(subject, "checked")
    assert (ended.phase, ended.reached) == (Phase.SUCCEEDED, Phase.HEALTH_GATE_PASSED)
    assert stands(site, subject, "checked")["State"]["Health"]["Status"] == "healthy"


def test_a_newer_image_of_the_same_tag_is_moved_to(running: Executing, site: Site) -> None:
    site.publish("moving", labels={"build": "1"})
    subject = site.run("web", "moving")
    digest = site.publish("moving", labels={"build": "2"})
    ended = running.update(subject, "moving", to_version=digest)
    assert (ended.phase, ended.bound_digest) == (Phase.SUCCEEDED, digest)
    assert stands(site, subject, "moving")["Config"]["Labels"]["build"] == "2"
    site.remove("web")


def test_a_container_that_removes_itself_moves_with_its_data(running: Executing, site: Site) -> None:
    subject = site.run("web", HostConfig={"AutoRemove": True})
    assert running.update(subject, "2").phase is Phase.SUCCEEDED
    assert stands(site, subject, "2")["HostConfig"]["AutoRemove"] is True
    site.remove("web")


def test_networks_addresses_aliases_and_ports_move_along(running: Executing, site: Site) -> None:
    host = site.host
    for name, subnet in (("front", "10.231.1.0/24"), ("back", "10.231.2.0/24")):
        host.api("POST", "/networks/create", json={"Name": name, "IPAM": {"Config": [{"Subnet": subnet}]}})
    endpoint = {"IPAMConfig": {"IPv4Address": "10.231.1.77"}, "Aliases": ["site"]}
    subject = site.run(
        "web",
        ExposedPorts={"80/tcp": {}},
        HostConfig={"NetworkMode": "front", "PortBindings": {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
        NetworkingConfig={"EndpointsConfig": {"front": endpoint}},
    )
    settings = {"IPAMConfig": {"IPv4Address": "10.231.2.78"}}
    host.api("POST", "/networks/back/connect", json={"Container": subject.id, "EndpointConfig": settings})
    assert running.update(subject, "2").phase is Phase.SUCCEEDED
    networks = stands(site, subject, "2")["NetworkSettings"]["Networks"]
    assert {name: one["IPAddress"] for name, one in networks.items()} == {
        "front": "10.231.1.77",
        "back": "10.231.2.78",
    }
    assert "site" in networks["front"]["Aliases"]
    site.remove("web")
    for name in ("front", "back"):
        host.api("DELETE", f"/networks/{name}")


@pytest.mark.parametrize(
    ("tag", "code", "words"),
    [
        ("unhealthy", "health_gate_failed", "its health check failed"),
        ("crash", "start_new_failed", "exited with code 3"),
        ("done", "start_new_failed", "exited with code 0"),
    ],
)
def test_a_candidate_that_does_not_prove_itself_leaves_everything_as_it_was(
    running: Executing, site: Site, subject: Subject, tag: str, code: str, words: str
) -> None:
    ended = running.update(subject, tag)
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, code)
    assert words in (ended.last_error or "")
    assert stands(site, subject, "1")["Id"] == subject.id
    actions = [row.action for row in running.services.audit.newest([running.agent], 50) if ended.id in row.id]
    assert sorted(actions) == ["container-update", "rollback", "update-failed"]


def test_a_container_that_removed_itself_comes_back_as_it_was(running: Executing, site: Site) -> None:
    subject = site.run("web", HostConfig={"AutoRemove": True}, Env=["MINE=kept"], Hostname="mine")
    before = site.inspect("web")
    ended = running.update(subject, "crash")
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "start_new_failed")
    after = stands(site, subject, "1")
    for key in ("Env", "Cmd", "Entrypoint", "Hostname", "Image", "StopSignal", "Volumes"):
        assert after["Config"][key] == before["Config"][key], key
    assert after["HostConfig"]["AutoRemove"] is True
    site.remove("web")


def test_an_image_that_cannot_be_pulled_changes_nothing(running: Executing, site: Site, subject: Subject) -> None:
    ended = running.update(subject, "missing")
    assert (ended.phase, ended.rollback_reason) == (Phase.FAILED, None)
    assert stands(site, subject, "1")["Id"] == subject.id


def test_of_two_requests_at_once_one_is_refused(running: Executing, site: Site, subject: Subject) -> None:
    found: list[Operation | Conflict] = []

    def ask() -> None:
        try:
            found.append(site.ask(running.services, running.agent, subject, "2"))
        except Conflict as refused:
            found.append(refused)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(type(one).__name__ for one in found) == ["Conflict", "Operation"]
    operation = next(one for one in found if isinstance(one, Operation))
    running.services.queue.wake(running.agent, operation.id)
    running.end_of(operation.id)
    assert running.operation(operation).phase is Phase.SUCCEEDED
    stands(site, subject, "2")
    history = running.services.operations.history(operation.identity)
    assert sum(one.created_at >= operation.created_at for one in history) == 1


# Containers in another's namespace.


NAMESPACES = {"NetworkMode": "net", "PidMode": "pid"}


def lodgers(site: Site, provider: str, kind: str) -> dict[str, str]:
    """One container in the provider's namespace and one in the network of that one: their ids by their names."""
    near = site.run("side", HostConfig={kind: f"container:{provider}"}).id
    far = site.run("far", HostConfig={"NetworkMode": f"container:{near}"}).id
    return {"side": near, "far": far}


def namespace(site: Site, name: str, kind: str) -> str:
    """What namespace of that kind a container's process lives in."""
    return str(Path(f"/proc/{site.inspect(name)['State']['Pid']}/ns/{NAMESPACES[kind]}").readlink())


def together(site: Site, kind: str) -> bool:
    """Whether all run, each in the namespace of the one it belongs to."""
    # What is just being replaced cannot be found.
    with suppress(RuntimeError, OSError):
        if site.names() == dict.fromkeys(("web", "side", "far"), "running"):
            near = namespace(site, "side", kind) == namespace(site, "web", kind)
            return near and namespace(site, "far", "NetworkMode") == namespace(site, "side", "NetworkMode")
    return False


@pytest.mark.parametrize("kind", NAMESPACES)
def test_who_shares_a_namespace_gets_the_new_one(running: Executing, site: Site, subject: Subject, kind: str) -> None:
    before = lodgers(site, subject.id, kind)
    assert running.update(subject, "2").phase is Phase.SUCCEEDED
    wait_for(lambda: together(site, kind), 40)
    assert all(site.inspect(one)["Id"] != before[one] for one in before)


@pytest.mark.parametrize("kind", NAMESPACES)
def test_who_shares_a_namespace_gets_the_old_one_back(
    running: Executing, site: Site, subject: Subject, kind: str
) -> None:
    before = lodgers(site, subject.id, kind)
    assert running.update(subject, "crash").phase is Phase.ROLLED_BACK
    assert {one: site.inspect(one)["Id"] for one in before} == before
    assert together(site, kind)


def test_who_shares_a_namespace_follows_a_container_that_had_to_be_made_again(running: Executing, site: Site) -> None:
    subject = site.run("web", HostConfig={"AutoRemove": True})
    lodgers(site, subject.id, "NetworkMode")
    assert running.update(subject, "crash").phase is Phase.ROLLED_BACK
    assert site.inspect("web")["Id"] != subject.id
    wait_for(lambda: together(site, "NetworkMode"), 40)
    site.remove("web", "side", "far")


# Trouble on the host.


class Meddling:
    """An engine in whose calls somebody meddles: `before` and `after` are given the method's name."""

    def __init__(self, engine: Engine, meddle: dict[str, Any]) -> None:
        self._engine, self._meddle = engine, meddle

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._engine, name)
        before, after = self._meddle.get(f"before {name}"), self._meddle.get(f"after {name}")

        def call(*arguments: Any, **options: Any) -> Any:
            if before:
                before(*arguments)
            answer = found(*arguments, **options)
            if after:
                after(*arguments)
            return answer

        return call if before or after else found


def test_a_port_taken_in_between_is_waited_for_when_rolling_back(
    site: Site, store: str, subject: Subject, tmp_path: Path
) -> None:
    site.remove("web")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    published_one = site.run("web", ExposedPorts={"80/tcp": {}}, HostConfig={"PortBindings": bindings})
    thief = socket.socket()
    thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)

    def steal(container: str, *_: object) -> None:
        if container == published_one.id:
            thief.bind(("127.0.0.1", port))
            thief.listen()
            threading.Timer(1.5, thief.close).start()

    with executing(site, store, tmp_path, wrap=lambda engine: Meddling(engine, {"after stop": steal})) as running:
        ended = running.update(published_one, "2")
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "start_new_failed")
    assert stands(site, published_one, "1")["Id"] == published_one.id


def test_a_network_that_cannot_be_joined_leaves_no_orphan(
    site: Site, store: str, subject: Subject, tmp_path: Path
) -> None:
    site.host.api("POST", "/networks/create", json={"Name": "second"})
    site.host.api("POST", "/networks/second/connect", json={"Container": subject.id})

    def refuse(*_: object) -> None:
        raise EngineRejected(500, "no address left")

    with executing(site, store, tmp_path, wrap=lambda engine: Meddling(engine, {"before connect": refuse})) as running:
        ended = running.update(subject, "2")
    assert (ended.phase, ended.reason_code) == (Phase.ROLLED_BACK, "create_new_failed")
    assert stands(site, subject, "1")["Id"] == subject.id
    site.remove("web")
    site.host.api("DELETE", "/networks/second")


def test_a_name_taken_in_between_is_left_to_whoever_took_it(
    site: Site, store: str, subject: Subject, tmp_path: Path
) -> None:
    taken: list[str] = []

    def take(*_: object) -> None:
        if not taken:
            taken.append("")
            taken[0] = site.run("web").id

    with executing(site, store, tmp_path, wrap=lambda engine: Meddling(engine, {"before create": take})) as running:
        ended = running.update(subject, "2")
    assert ended.phase is Phase.ROLLBACK_FAILED
    assert "another container took the name web" in (ended.last_error or "")
    assert site.inspect("web")["Id"] == taken[0]
    assert site.inspect(subject.id)["State"]["Running"] is True
    assert site.data(subject.id) == subject.data


def test_an_old_container_that_resists_is_tidied_away(site: Site, store: str, subject: Subject, tmp_path: Path) -> None:
    resisting = [True]

    def resist(container: str, *_: object) -> None:
        if resisting[0] and container == subject.id:
            raise EngineRejected(500, "device or resource busy")

    with executing(site, store, tmp_path, wrap=lambda engine: Meddling(engine, {"before remove": resist})) as running:
        ended = running.update(subject, "2")
        assert (ended.phase, "device or resource busy" in (ended.last_error or "")) == (Phase.SUCCEEDED, True)
        assert len([name for name in site.names() if name.startswith("web")]) == 2
        running.watch()
        assert [one.name for one in running.services.containers.of_watcher(running.agent, "local")] == ["web"]
        resisting[0] = False
        running.executor._order_tidying()
        wait_for(lambda: len(site.names()) == 1)
    stands(site, subject, "2")


@pytest.mark.parametrize("how", ["restart", "kill"])
def test_an_engine_that_goes_away_in_the_middle(registry: ImageRegistry, store: str, tmp_path: Path, how: str) -> None:
    with docker_engine() as host:
        site = Site(host, registry, "away")
        site.publish("1")
        slow = CHECKED | {"Test": ["CMD", "test", "-e", "/never"], "Retries": 100}
        site.publish("slow", KEEPS_DATA + "exec sleep 3600", healthcheck=slow)
        subject = site.run("web")
        with executing(site, store, tmp_path, health_gate_seconds=60) as running:
            operation = site.ask(running.services, running.agent, subject, "slow")
            running.services.queue.wake(running.agent, operation.id)
            wait_for(lambda: running.operation(operation).phase is Phase.HEALTH_GATE, 30)
            if how == "kill":
                host.kill()
                host.start()
            else:
                host.restart()
            running.end_of(operation.id, 80)
            ended = running.operation(operation)
        assert ended.phase is Phase.ROLLED_BACK
        assert stands(site, subject, "1")["Id"] == subject.id
