"""The clone as a pure function: over the corpus of real inspect documents, and over what only other engines send."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from local_runtime.engine.image_defaults import CMD_ORIGIN, ENTRYPOINT_ORIGIN
from local_runtime.engine.replica import Replica, plan_replica, providers_of

DATA = Path(__file__).parents[1] / "data" / "inspect"
CORPUS = sorted(path.stem for path in DATA.glob("*.json") if not path.stem.startswith("image-"))
# What a clone may change in HostConfig, each with a test of its own below.
REWRITTEN = {"Binds", "Mounts", "Links", "NetworkMode", "PidMode", "IpcMode", "VolumesFrom", "Runtime", "PortBindings"}


def document(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text())
    return found


def clone_of(name: str, changes: dict[str, Any] | None = None, **options: Any) -> Replica:
    """The clone of a corpus container, `changes` being dotted paths set in its document before."""
    source = document(name)
    for path, value in (changes or {}).items():
        *folders, last = path.split("/")
        place = source
        for folder in folders:
            place = place[folder]
        place[last] = value
    old_image, new_image = options.pop("old_image", document("image-1")), document("image-2")
    return plan_replica(source, old_image, new_image, name=name, image="corpus:2", **options)


def test_the_corpus_holds_what_it_promises() -> None:
    assert len(CORPUS) >= 25


@pytest.mark.parametrize("name", CORPUS)
def test_the_host_configuration_is_kept_as_it_is(name: str) -> None:
    source = document(name)
    body = clone_of(name).body
    kept = {key: value for key, value in source["HostConfig"].items() if key not in REWRITTEN}
    assert {key: value for key, value in body["HostConfig"].items() if key not in REWRITTEN} == kept
    assert body["Image"] == "corpus:2"


@pytest.mark.parametrize("name", CORPUS)
def test_planning_leaves_the_source_alone_and_repeats_itself(name: str) -> None:
    source, old_image, new_image = document(name), document("image-1"), document("image-2")
    before = copy.deepcopy((source, old_image, new_image))
    first = plan_replica(source, old_image, new_image, name=name, image="corpus:2")
    as_planned = copy.deepcopy(first)
    first.body["HostConfig"]["Binds"] = ["changed"]
    first.body["Labels"]["changed"] = "yes"
    assert (source, old_image, new_image) == before
    assert plan_replica(source, old_image, new_image, name=name, image="corpus:2") == as_planned


@pytest.mark.parametrize("name", CORPUS)
def test_no_default_of_the_old_image_is_carried_over(name: str) -> None:
    body = clone_of(name).body
    assert not {"VERSION=1", "GONE=old"} & set(body["Env"])
    assert {"version": "1", "gone": "old"}.items().isdisjoint(body["Labels"].items())
    assert body.get("WorkingDir") != "/srv/old"
    assert body.get("User") != "0"
    assert body.get("StopSignal") != "SIGKILL"
    assert "Shell" not in body
    assert "9090/tcp" not in body.get("ExposedPorts", {})
    assert body.get("Healthcheck", {}).get("Retries") != 4
    assert body.get("Cmd") != ["sleep 600"]
    assert body.get("Entrypoint") != ["/bin/sh", "-c"]


def test_a_plain_container_asks_for_nothing_but_the_image_and_its_volume() -> None:
    replica = clone_of("plain")
    (volume,) = [mount["Name"] for mount in document("plain")["Mounts"]]
    assert replica.body["HostConfig"]["Binds"] == [f"{volume}:/image-volume"]
    assert replica.volumes == (volume,)
    assert replica.connect == ()
    for absent in ("Cmd", "Entrypoint", "Hostname", "Healthcheck", "NetworkingConfig", "User", "WorkingDir", "Volumes"):
        assert absent not in replica.body
    assert replica.body["Env"] == []


def test_settings_of_the_user_are_kept() -> None:
    assert set(clone_of("environment").body["Env"]) == {"MODE=mine", "EXTRA=1", "EMPTY="}
    assert {"version": "mine", "team": "red"}.items() <= clone_of("labels").body["Labels"].items()
    own = clone_of("workdir-and-user").body
    assert (own["WorkingDir"], own["User"]) == ("/opt", "1000:1000")
    own = clone_of("stop-signal-and-timeout").body
    assert (own["StopSignal"], own["StopTimeout"]) == ("SIGUSR1", 1)
    own = clone_of("names").body
    assert (own["Hostname"], own["Domainname"]) == ("web", "example.test")


def test_a_command_is_kept_when_the_user_gave_it_and_its_origin_is_noted() -> None:
    own = clone_of("command").body
    assert own["Cmd"] == ["sleep 800"]
    assert "Entrypoint" not in own
    assert own["Labels"][CMD_ORIGIN] == "explicit"
    assert own["Labels"][ENTRYPOINT_ORIGIN] == "inherited"


def test_an_entrypoint_of_the_user_keeps_its_command_with_it() -> None:
    own = clone_of("entrypoint").body
    assert (own["Entrypoint"], own["Cmd"]) == (["sleep"], ["900"])
    alone = clone_of("entrypoint-alone").body
    assert alone["Entrypoint"] == ["yes"]
    assert "Cmd" not in alone


def test_an_entrypoint_the_user_emptied_stays_empty() -> None:
    own = clone_of("entrypoint-emptied").body
    assert (own["Entrypoint"], own["Cmd"]) == ([""], ["sleep", "900"])


def test_a_noted_origin_outweighs_the_comparison_with_the_image() -> None:
    noted = {CMD_ORIGIN: "explicit", ENTRYPOINT_ORIGIN: "inherited"}
    assert clone_of("plain", {"Config/Labels": noted}).body["Cmd"] == ["sleep 600"]
    noted = {CMD_ORIGIN: "inherited", ENTRYPOINT_ORIGIN: "inherited"}
    assert "Cmd" not in clone_of("command", {"Config/Labels": noted}).body


def test_everything_is_kept_when_the_old_image_is_gone() -> None:
    source = document("plain")
    own = clone_of("plain", old_image={}).body
    for key in ("Cmd", "Entrypoint", "Env", "User", "WorkingDir", "StopSignal", "Healthcheck", "ExposedPorts"):
        assert own[key] == source["Config"][key]


def test_a_health_check_is_taken_apart_field_by_field() -> None:
    assert clone_of("healthcheck-partly").body["Healthcheck"] == {"Interval": 9_000_000_000}
    assert clone_of("healthcheck-off").body["Healthcheck"] == {"Test": ["NONE"]}


def test_a_published_port_stays_exposed_though_the_image_exposed_it() -> None:
    assert set(clone_of("ports").body["ExposedPorts"]) == {"8080/tcp", "53/udp", "1234/tcp"}


def test_missing_maps_do_not_matter() -> None:
    changes = {"Config/ExposedPorts": None, "Config/Env": None, "Config/Labels": None, "Mounts": None}
    assert "ExposedPorts" not in clone_of("ports", changes).body
    bare = {"HostConfig/Binds": None, "HostConfig/Mounts": None, "HostConfig/PortBindings": None}
    assert clone_of("plain", changes | bare).body["HostConfig"]["PortBindings"] is None


def test_anonymous_volumes_are_attached_by_name_whatever_their_spelling() -> None:
    replica = clone_of("anonymous-volumes")
    names = {mount["Destination"]: mount["Name"] for mount in document("anonymous-volumes")["Mounts"]}
    assert set(replica.body["HostConfig"]["Binds"]) == {
        f"{names['/anonymous']}:/anonymous",
        f"{names['/image-volume']}:/image-volume",
    }
    (mount,) = replica.body["HostConfig"]["Mounts"]
    assert (mount["Source"], mount["VolumeOptions"]["NoCopy"]) == (names["/mounted"], True)
    assert set(replica.volumes) == set(names.values())


def test_a_read_only_anonymous_volume_stays_read_only() -> None:
    source = document("plain")
    mount = source["Mounts"][0] | {"RW": False}
    assert clone_of("plain", {"Mounts": [mount]}).body["HostConfig"]["Binds"] == [f"{mount['Name']}:/image-volume:ro"]


def test_named_volumes_and_binds_are_not_added_twice() -> None:
    assert clone_of("image-volume-taken").body["HostConfig"]["Binds"] == ["corpus-over:/image-volume"]
    assert clone_of("mounts").body["HostConfig"]["Mounts"] == document("mounts")["HostConfig"]["Mounts"]


def test_links_take_the_form_that_create_reads() -> None:
    links = clone_of("links").body["HostConfig"]["Links"]
    assert set(links) == {"corpus-provider:db", "corpus-provider:corpus-provider"}


def test_a_shared_namespace_follows_the_name_of_its_provider() -> None:
    body = clone_of("network-of-another", resolve_container=lambda _: "/corpus-provider").body
    assert body["HostConfig"]["NetworkMode"] == "container:corpus-provider"
    for absent in ("Hostname", "Domainname", "ExposedPorts", "MacAddress", "NetworkingConfig"):
        assert absent not in body
    shared = clone_of("namespaces-of-another", resolve_container=lambda _: "corpus-provider").body["HostConfig"]
    assert (shared["PidMode"], shared["IpcMode"]) == ("container:corpus-provider",) * 2


def test_a_provider_nobody_knows_is_left_as_it_is() -> None:
    source = document("network-of-another")["HostConfig"]["NetworkMode"]
    assert clone_of("network-of-another").body["HostConfig"]["NetworkMode"] == source


def test_volumes_of_another_container_follow_its_name() -> None:
    changes = {"HostConfig/VolumesFrom": ["a" * 64 + ":ro", "b" * 64, "named:rw"]}
    body = clone_of("volumes-of-another", changes, resolve_container={"a" * 64: "/one", "b" * 64: "/two"}.get).body
    assert body["HostConfig"]["VolumesFrom"] == ["one:ro", "two", "named:rw"]


def test_volumes_that_come_from_another_container_are_not_taken_for_its_own() -> None:
    source = document("volumes-of-another")
    provided, own = (
        next(mount["Name"] for mount in source["Mounts"] if mount["Destination"] == folder)
        for folder in ("/provided", "/image-volume")
    )
    plan = clone_of("volumes-of-another", volumes_of={"corpus-provider": [provided]}.__getitem__)
    assert (plan.body["HostConfig"]["Binds"], plan.volumes) == ([f"{own}:/image-volume"], (own,))
    # Whatever its provider has no longer would be lost.
    left = clone_of("volumes-of-another", volumes_of=lambda _: ["another"]).volumes
    assert set(left) == {provided, own}


def test_dependents_of_a_replaced_container_are_known_by_any_namespace() -> None:
    provider = document("network-of-another")["HostConfig"]["NetworkMode"].removeprefix("container:")
    assert providers_of(document("network-of-another")) == [provider]
    provider = document("namespaces-of-another")["HostConfig"]["PidMode"].removeprefix("container:")
    assert providers_of(document("namespaces-of-another")) == [provider, provider]
    assert providers_of(document("plain")) == []


def test_the_first_network_is_created_and_the_others_are_connected() -> None:
    replica = clone_of("several-networks")
    networking = replica.body["NetworkingConfig"]["EndpointsConfig"]
    assert list(networking) == ["corpus-a"]
    assert networking["corpus-a"]["Aliases"] == ["front"]
    assert networking["corpus-a"]["IPAMConfig"]["IPv4Address"].endswith(".64.79")
    assert dict(replica.connect) == {"corpus-b": {"Aliases": ["back", "behind"]}, "bridge": {}}


def test_addresses_the_engine_gave_are_never_pinned() -> None:
    for name in CORPUS:
        replica = clone_of(name)
        endpoints = replica.body.get("NetworkingConfig", {}).get("EndpointsConfig", {}) | dict(replica.connect)
        for endpoint in endpoints.values():
            assert endpoint.keys() <= {"IPAMConfig", "Links", "Aliases", "DriverOpts"}


def test_driver_options_of_an_endpoint_are_kept() -> None:
    assert dict(clone_of("several-networks-driver-options").connect)["corpus-b"]["DriverOpts"] == {"a": "b", "c": "d"}


def test_a_host_name_becomes_no_alias_and_an_alias_no_duplicate() -> None:
    endpoint = clone_of("user-network-hostname").body["NetworkingConfig"]["EndpointsConfig"]["corpus-a"]
    assert endpoint == {"Aliases": ["api"]}


def test_a_network_named_by_its_id_is_found() -> None:
    replica = clone_of("network-by-id")
    assert replica.connect == ()
    assert replica.body["HostConfig"]["NetworkMode"] == document("network-by-id")["HostConfig"]["NetworkMode"]


def test_a_network_that_was_left_is_not_joined_again() -> None:
    replica = clone_of("network-left")
    assert replica.body["HostConfig"]["NetworkMode"] == "corpus-b"
    assert replica.body["NetworkingConfig"] == {"EndpointsConfig": {"corpus-b": {"Aliases": ["only"]}}}
    assert replica.connect == ()


def test_a_container_without_networks_gets_none() -> None:
    for name in ("host-network", "no-network"):
        replica = clone_of(name)
        assert replica.connect == ()
        assert "NetworkingConfig" not in replica.body


def test_the_host_name_of_the_machine_is_not_pinned() -> None:
    name = document("host-network")["Config"]["Hostname"]
    assert "Hostname" not in clone_of("host-network", host_name=name).body
    assert clone_of("host-network", {"Config/Hostname": "chosen"}, host_name=name).body["Hostname"] == "chosen"


def test_a_mac_address_of_the_user_stays_in_the_container_on_older_engines() -> None:
    assert clone_of("user-mac").body["MacAddress"] == "92:d0:c6:0a:29:33"
    assert "MacAddress" not in clone_of("plain").body


def test_a_mac_address_of_the_user_belongs_to_the_endpoint_since_api_1_44() -> None:
    body = clone_of("user-mac", api_version="1.44").body
    assert "MacAddress" not in body
    assert body["HostConfig"]["NetworkMode"] == "bridge"
    assert body["NetworkingConfig"]["EndpointsConfig"] == {"bridge": {"MacAddress": "92:d0:c6:0a:29:33"}}


def test_on_further_networks_only_an_address_the_engine_would_not_make_up_is_kept() -> None:
    second = "NetworkSettings/Networks/corpus-b/MacAddress"
    generated = clone_of("several-networks", {second: "02:42:0a:65:80:02"}, api_version="1.44")
    assert "MacAddress" not in dict(generated.connect)["corpus-b"]
    chosen = clone_of("several-networks", {second: "92:d0:c6:0a:29:35"}, api_version="1.44")
    assert dict(chosen.connect)["corpus-b"]["MacAddress"] == "92:d0:c6:0a:29:35"


def test_gateway_priority_is_sent_to_engines_that_know_it() -> None:
    changes = {"NetworkSettings/Networks/corpus-b/GwPriority": 5}
    assert dict(clone_of("several-networks", changes, api_version="1.48").connect)["corpus-b"]["GwPriority"] == 5
    assert "GwPriority" not in dict(clone_of("several-networks", changes, api_version="1.47").connect)["corpus-b"]


def test_aliases_a_newer_engine_lists_are_all_the_users() -> None:
    changes = {
        "NetworkSettings/Networks/corpus-a/Aliases": ["web", "api", "web"],
        "NetworkSettings/Networks/corpus-a/DNSNames": ["user-network-hostname", "web", "api", "0123456789ab"],
    }
    endpoint = clone_of("user-network-hostname", changes, api_version="1.45").body["NetworkingConfig"]
    assert endpoint == {"EndpointsConfig": {"corpus-a": {"Aliases": ["web", "api"]}}}


def test_a_runtime_is_kept_unless_it_is_the_default() -> None:
    assert clone_of("runtime", default_runtime="runc").body["HostConfig"]["Runtime"] == "io.containerd.runc.v2"
    assert "Runtime" not in clone_of("plain", default_runtime="runc").body["HostConfig"]


def test_compose_is_told_the_new_image() -> None:
    labels = clone_of("compose-service").body["Labels"]
    assert labels["com.docker.compose.image"] == document("image-2")["Id"]
    assert labels["com.docker.compose.config-hash"] == "abc"
    assert "com.docker.compose.image" not in clone_of("plain").body["Labels"]
