"""A clone on a new image is what its user would have got by creating the container on that image, data included.

Every configuration of the corpus is created on the old image, cloned to the new one through the engine port, and
compared with a third container that the same `docker create` makes on the new image.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from local_runtime.engine.docker_engine import DockerEngine
from local_runtime.engine.image_defaults import CMD_ORIGIN, ENTRYPOINT_ORIGIN
from local_runtime.engine.replica import COMPOSE_IMAGE_LABEL, Replica, plan_replica
from tests.docker import corpus
from tests.docker.corpus import CORPUS, NEW, OLD, Configuration
from tests.docker.rig import EngineHost, docker_engine

# What differs between any two containers, or tells where and when one ran.
FLEETING = (
    "Id",
    "Created",
    "Path",
    "Args",
    "State",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "RestartCount",
    "GraphDriver",
    "ProcessLabel",
    "AppArmorProfile",
)
ENDPOINT_SETTINGS = ("IPAMConfig", "Links", "Aliases", "DriverOpts")


@pytest.fixture(scope="module")
def corpus_host() -> Iterator[EngineHost]:
    with docker_engine() as host:
        corpus.prepare(host)
        yield host


@pytest.fixture(scope="module")
def engine(corpus_host: EngineHost) -> Iterator[DockerEngine]:
    found = DockerEngine(corpus_host.base_url)
    yield found
    found.close()


@pytest.mark.parametrize("configuration", CORPUS, ids=lambda configuration: configuration.name)
def test_only_what_the_new_image_changed_differs(
    corpus_host: EngineHost, engine: DockerEngine, configuration: Configuration
) -> None:
    created: list[str] = []
    try:
        old = corpus.create(corpus_host, configuration, OLD)
        created.append(old)
        if configuration.starts:
            engine.start(old)
        source = engine.inspect(old)
        replica = clone(engine, source)
        new = replace(engine, source, replica, created)
        cloned = engine.inspect(new)
        if configuration.starts:
            assert cloned["State"]["Running"], cloned["State"]
        assert volumes_of(source).items() <= volumes_of(cloned).items()
        remove_all(engine, created)
        expected_id = corpus.create(corpus_host, configuration, NEW)
        created.append(expected_id)
        if configuration.starts:
            engine.start(expected_id)
        expected = engine.inspect(expected_id)
        found = differences(lasting(cloned, replica.volumes), lasting(with_new_image_label(expected, engine), ()))
        assert found == []
    finally:
        remove_all(engine, created)


def test_the_data_of_anonymous_volumes_moves_along_even_when_the_old_container_removes_itself(
    corpus_host: EngineHost, engine: DockerEngine
) -> None:
    created: list[str] = []
    try:
        for options in ("-v /anonymous", "--rm -v /anonymous"):
            old = corpus.create(corpus_host, Configuration("kept-data", options), OLD)
            created.append(old)
            engine.start(old)
            for folder in ("/anonymous", "/image-volume"):
                corpus_host.cli("exec", old, "sh", "-c", f"echo precious > {folder}/file")
            source = engine.inspect(old)
            new = replace(engine, source, clone(engine, source), created)
            engine.remove(old)
            assert engine.wait_removed(old, 10)
            for folder in ("/anonymous", "/image-volume"):
                assert corpus_host.cli("exec", new, "cat", f"{folder}/file") == "precious"
            remove_all(engine, created)
    finally:
        remove_all(engine, created)


def test_a_clone_of_a_clone_still_follows_the_image(corpus_host: EngineHost, engine: DockerEngine) -> None:
    created: list[str] = []
    try:
        old = corpus.create(corpus_host, Configuration("twice", "-e MODE=mine", ("sleep 800",)), OLD)
        created.append(old)
        engine.start(old)
        first = engine.inspect(replace(engine, engine.inspect(old), clone(engine, engine.inspect(old)), created))
        back = plan_replica(first, engine.image(NEW), engine.image(OLD), name="twice", image=OLD)
        remove_all(engine, created[:1])
        second = engine.inspect(replace(engine, first, back, created))
        environment = set(second["Config"]["Env"])
        assert {"MODE=mine", "VERSION=1", "GONE=old"} <= environment
        assert not environment & {"VERSION=2", "FRESH=new"}
        assert second["Config"]["Cmd"] == ["sleep 800"]
        assert second["Config"]["Entrypoint"] == corpus.OLD_DEFAULTS["entrypoint"]
        assert second["Config"]["Hostname"] == second["Id"][:12]
    finally:
        remove_all(engine, created)


def clone(engine: DockerEngine, source: Mapping[str, Any]) -> Replica:
    def name_of(container_id: str) -> str | None:
        return str(engine.inspect(container_id)["Name"])

    return plan_replica(
        source,
        engine.image(OLD),
        engine.image(NEW),
        name=source["Name"].lstrip("/"),
        image=NEW,
        api_version=engine.api_version(),
        default_runtime=engine.info()["DefaultRuntime"],
        host_name=engine.info()["Name"],
        resolve_container=name_of,
        volumes_of=lambda container: {mount.get("Name", "") for mount in engine.inspect(container)["Mounts"]},
    )


def replace(engine: DockerEngine, source: Mapping[str, Any], replica: Replica, created: list[str]) -> str:
    """Puts the clone in the place of its source, in the order of an update."""
    engine.rename(source["Id"], f"{replica.name}-before")
    new = engine.create(replica.name, replica.body)
    created.append(new)
    for network, endpoint in replica.connect:
        engine.connect(network, new, endpoint)
    if source["State"]["Running"]:
        engine.stop(source["Id"], 0)
        engine.start(new)
    return new


def remove_all(engine: DockerEngine, containers: list[str]) -> None:
    while containers:
        engine.remove(containers.pop(), force=True)


def volumes_of(document: Mapping[str, Any]) -> dict[str, str]:
    return {mount["Destination"]: mount["Name"] for mount in document["Mounts"] if mount["Type"] == "volume"}


def with_new_image_label(document: Mapping[str, Any], engine: DockerEngine) -> Mapping[str, Any]:
    changed = copy.deepcopy(dict(document))
    if COMPOSE_IMAGE_LABEL in changed["Config"]["Labels"]:
        changed["Config"]["Labels"][COMPOSE_IMAGE_LABEL] = engine.image(NEW)["Id"]
    return changed


def lasting(document: Mapping[str, Any], moved_volumes: tuple[str, ...]) -> dict[str, Any]:
    """The inspect document without what no user chose; volumes that were moved along look anonymous again."""
    kept = copy.deepcopy({key: value for key, value in document.items() if key not in FLEETING})
    config, host_config = kept["Config"], kept["HostConfig"]
    short_id = document["Id"][:12]
    for label in (ENTRYPOINT_ORIGIN, CMD_ORIGIN):
        config["Labels"].pop(label, None)
    if config["Hostname"] == short_id:
        config["Hostname"] = "generated"
    config["Env"] = sorted(config["Env"])
    binds = [bind for bind in host_config["Binds"] or [] if bind.split(":")[0] not in moved_volumes]
    host_config["Binds"] = sorted(binds)
    for mount in host_config.get("Mounts") or []:
        if mount.get("Source") in moved_volumes:
            del mount["Source"]
    host_config["Links"] = sorted(host_config["Links"] or [])
    kept["Mounts"] = sorted(mount["Destination"] for mount in kept["Mounts"])
    kept["NetworkSettings"] = {
        name: {
            key: sorted(set(endpoint[key]) - {short_id}) if key == "Aliases" else endpoint[key]
            for key in ENDPOINT_SETTINGS
            if endpoint.get(key)
        }
        for name, endpoint in kept["NetworkSettings"]["Networks"].items()
    }
    # Whether a network that was left is still named as the mode is bookkeeping; where the container hangs counts.
    if len(kept["NetworkSettings"]) == 1:
        (host_config["NetworkMode"],) = kept["NetworkSettings"]
    return kept


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        keys = sorted(one.keys() | other.keys())
        return [line for key in keys for line in differences(one.get(key), other.get(key), f"{path}.{key}")]
    return [] if one == other else [f"{path}: {one!r} instead of {other!r}"]
