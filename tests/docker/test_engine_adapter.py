"""The engine adapter where only a real daemon shows it: lost connections, late pull errors, slow stops, TLS."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from chalicelib.ports.engine import EngineUnavailable, PullFailed, PullProgress, RegistryAuth
from local_runtime.engine.docker_engine import DockerEngine, Tls
from tests.docker.registry import PASSWORD, USER
from tests.docker.rig import EngineHost, ImageRegistry, IndexEntry, docker_engine, image_registry
from tests.docker.tls_door import tls_door


@pytest.fixture
def engine(engine_host: EngineHost) -> Iterator[DockerEngine]:
    found = DockerEngine(engine_host.base_url)
    yield found
    found.close()


@pytest.fixture
def container(engine_host: EngineHost, engine: DockerEngine) -> Iterator[str]:
    engine_host.build_image("adapter:1", cmd=["sleep", "3600"])
    made = engine.create(f"adapter-{uuid.uuid4().hex[:8]}", {"Image": "adapter:1"})
    yield made
    engine.remove(made, force=True)


def test_an_engine_that_is_not_there_is_unavailable() -> None:
    for url in ("unix:///nowhere/docker.sock", "tcp://127.0.0.1:9"):
        absent = DockerEngine(url)
        for ask in (absent.info, absent.containers, absent.events, absent.api_version):
            with pytest.raises(EngineUnavailable) as caught:
                ask()
            assert caught.value.transient


def test_an_engine_that_comes_back_is_spoken_to_again() -> None:
    with docker_engine() as host:
        engine = DockerEngine(host.base_url)
        assert engine.containers(all=True) == []
        stream = engine.events()
        host.stop()
        with pytest.raises(EngineUnavailable):
            next(stream)
        with pytest.raises(EngineUnavailable):
            engine.containers()
        host.start()
        assert engine.containers(all=True) == []
        engine.close()


def test_events_end_without_complaint_when_nothing_has_happened_for_long(engine_host: EngineHost) -> None:
    quiet = DockerEngine(engine_host.base_url, events_idle_seconds=0.5)
    assert list(quiet.events(since=time.time())) == []
    quiet.close()


def test_a_call_that_takes_too_long_is_given_up(engine_host: EngineHost, container: str) -> None:
    hasty = DockerEngine(engine_host.base_url, call_seconds=0.5)
    hasty.start(container)
    # The engine answers a wait for the end of a container only then; nothing else is as surely slow.
    started = time.monotonic()
    with pytest.raises(EngineUnavailable), hasty._conversation() as client:
        client.post_within(0.5, "/containers/{0}/wait", container, {})
    assert time.monotonic() - started < 5
    hasty.close()


def test_a_stop_may_take_longer_than_other_calls(engine_host: EngineHost, engine: DockerEngine) -> None:
    # `sleep` as the first process ignores SIGTERM, so each stop lasts the whole grace.
    engine_host.build_image("adapter:1", cmd=["sleep", "3600"])
    hasty = DockerEngine(engine_host.base_url, call_seconds=1)
    made = hasty.create(f"adapter-{uuid.uuid4().hex[:8]}", {"Image": "adapter:1", "StopTimeout": 2})
    try:
        for grace in (None, 3):
            hasty.start(made)
            hasty.stop(made, grace)
            assert hasty.inspect(made)["State"]["Status"] == "exited"
    finally:
        engine.remove(made, force=True)
        hasty.close()


def test_volumes_outlive_their_container(engine_host: EngineHost, engine: DockerEngine) -> None:
    engine_host.build_image("adapter:volume", cmd=["sleep", "3600"], volumes=["/data"])
    made = engine.create(f"adapter-{uuid.uuid4().hex[:8]}", {"Image": "adapter:volume"})
    (mount,) = engine.inspect(made)["Mounts"]
    engine.start(made)
    engine.remove(made, force=True)
    assert engine_host.api("GET", f"/volumes/{mount['Name']}")["Name"] == mount["Name"]
    engine_host.api("DELETE", f"/volumes/{mount['Name']}")


def test_a_pull_that_fails_half_way_is_a_failure(registry: ImageRegistry, engine: DockerEngine) -> None:
    registry.push_image("adapter/broken", "1", files={"big": uuid.uuid4().hex})
    layer = registry.manifest("adapter/broken", "1").json()["layers"][-1]["digest"]
    registry.http.delete(f"/v2/adapter/broken/blobs/{layer}").raise_for_status()
    seen: list[PullProgress] = []
    with pytest.raises(PullFailed):
        engine.pull(registry.reference("adapter/broken", "1"), progress=seen.append)
    assert seen, "the daemon had begun to answer before it failed"


def test_a_registry_that_is_down_makes_the_pull_fail(engine: DockerEngine) -> None:
    with pytest.raises(PullFailed):
        engine.pull("127.0.0.1:9/adapter/absent:1")


def test_a_pull_without_a_tag_takes_only_the_latest(registry: ImageRegistry, engine: DockerEngine) -> None:
    for tag in ("1", "latest"):
        registry.push_image("adapter/tags", tag, labels={"tag": tag})
    engine.pull(f"{registry.address}/adapter/tags")
    assert engine.image(f"{registry.address}/adapter/tags")["RepoTags"] == [f"{registry.address}/adapter/tags:latest"]


def test_a_pull_by_tag_and_digest_takes_the_digest(registry: ImageRegistry, engine: DockerEngine) -> None:
    old = registry.push_image("adapter/pinned", "1", labels={"v": "1"})
    registry.push_image("adapter/pinned", "1", labels={"v": "2"})
    engine.pull(f"{registry.reference('adapter/pinned', '1')}@{old}")
    image = engine.image(registry.reference("adapter/pinned", old))
    assert image["Config"]["Labels"] == {"v": "1"}
    assert image["RepoTags"] == []


def test_a_pull_can_ask_for_another_platform(registry: ImageRegistry, engine: DockerEngine) -> None:
    members = [
        IndexEntry(registry.push_image("adapter/multi", architecture=architecture), architecture)
        for architecture in ("amd64", "arm64")
    ]
    registry.push_index("adapter/multi", "1", members)
    engine.pull(registry.reference("adapter/multi", "1"), platform="linux/arm64")
    assert engine.image(registry.reference("adapter/multi", "1"))["Architecture"] == "arm64"
    engine.pull(registry.reference("adapter/multi", "1"))
    assert engine.image(registry.reference("adapter/multi", "1"))["Architecture"] == "amd64"


def test_a_guarded_registry_wants_the_right_password(engine: DockerEngine) -> None:
    with image_registry(password=True) as guarded:
        reference = guarded.reference("adapter/secret", "1")
        guarded.push_image("adapter/secret", "1")
        for auth in (None, RegistryAuth(USER, "wrong")):
            with pytest.raises(PullFailed):
                engine.pull(reference, auth=auth)
        engine.pull(reference, auth=RegistryAuth(USER, PASSWORD, server=guarded.address))
        assert reference in engine.image(reference)["RepoTags"]


def test_a_password_is_not_shown() -> None:
    assert "hidden" not in repr(RegistryAuth("me", "hidden", "hidden"))


def test_a_container_that_removes_itself_meanwhile_is_waited_for(engine_host: EngineHost, engine: DockerEngine) -> None:
    engine_host.build_image("adapter:1", cmd=["sleep", "3600"])
    for _ in range(5):
        body = {"Image": "adapter:1", "HostConfig": {"AutoRemove": True}}
        made = engine.create(f"adapter-{uuid.uuid4().hex[:8]}", body)
        engine.start(made)
        rivals = [threading.Thread(target=engine.remove, args=(made,), kwargs={"force": True}) for _ in range(3)]
        engine.kill(made)
        for rival in rivals:
            rival.start()
        engine.remove(made, force=True)
        for rival in rivals:
            rival.join(30)
        assert engine.wait_removed(made, 5)


def test_an_engine_behind_tls_is_reached_with_a_certificate(
    engine_host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Settings for the internet at large say nothing about this engine.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    with tls_door(engine_host.socket) as door:
        engine = DockerEngine(door.base_url, tls=Tls(str(door.ca), str(door.certificate), str(door.key)))
        assert engine.info()["DefaultRuntime"] == "runc"
        engine.close()
        stranger = DockerEngine(door.base_url, tls=Tls(str(door.ca)))
        with pytest.raises(EngineUnavailable):
            stranger.info()
