"""The rig itself: what it starts works, and nothing of it stays."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.docker.rig import EngineHost, ImageRegistry, IndexEntry, docker_engine, image_registry


def test_two_engines_run_beside_each_other_and_leave_nothing() -> None:
    with docker_engine() as one, docker_engine() as two:
        for host in (one, two):
            host.build_image("rig:1", cmd=["sleep", "600"])
            host.cli("network", "create", "side")
            host.cli("run", "-d", "--name", "same", "--network", "side", "-p", "127.0.0.1::80", "rig:1")
        assert one.network.octet != two.network.octet
        folders = [one.folder, two.folder]
        networks = [one.network, two.network]
    assert not any(folder.exists() for folder in folders)
    routes = Path("/proc/net/dev").read_text()
    assert not any(network.bridge in routes for network in networks)


def test_a_crashed_engine_starts_again_and_is_cleaned_up() -> None:
    with docker_engine() as host:
        host.build_image("rig:1", cmd=["sleep", "600"], stopsignal="SIGKILL")
        host.cli("run", "-d", "--name", "kept", "rig:1")
        host.kill()
        assert not host.answers()
        host.start()
        assert host.api("GET", "/containers/kept/json")["State"]["Status"] == "exited"
        host.api("POST", "/containers/kept/start")
        host.kill()
        folder = host.folder
    assert not folder.exists()
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


def test_containers_survive_an_engine_restart_with_live_restore() -> None:
    with docker_engine(live_restore=True) as host:
        host.build_image("rig:1", cmd=["sleep", "600"])
        host.cli("run", "-d", "--name", "kept", "rig:1")
        before = host.api("GET", "/containers/kept/json")["State"]["Pid"]
        host.restart()
        assert host.api("GET", "/containers/kept/json")["State"]["Pid"] == before


def test_containers_on_one_network_reach_each_other_by_name(engine_host: EngineHost) -> None:
    engine_host.build_image(
        "rig:net", cmd=["httpd", "-f", "-p", "80", "-h", "/www"], files={"/www/index.html": "hello"}
    )
    engine_host.cli("network", "create", "rig-net")
    engine_host.cli("run", "-d", "--name", "rig-web", "--network", "rig-net", "rig:net")
    deadline = time.monotonic() + 10
    answer = ""
    while answer != "hello" and time.monotonic() < deadline:
        command = "wget -q -O - http://rig-web/ || true"
        answer = engine_host.cli("run", "--rm", "--network", "rig-net", "rig:net", "sh", "-c", command)
    engine_host.cli("rm", "-f", "rig-web")
    engine_host.cli("network", "rm", "rig-net")
    assert answer == "hello"


def test_an_image_pushed_to_the_registry_is_pulled_and_runs(engine_host: EngineHost, registry: ImageRegistry) -> None:
    for oci in (False, True):
        digest = registry.push_image("rig/plain", "1.0", cmd=["echo", "hello"], labels={"oci": str(oci)}, oci=oci)
        engine_host.cli("pull", registry.reference("rig/plain", "1.0"))
        image = engine_host.api("GET", f"/images/{registry.reference('rig/plain', '1.0')}/json")
        assert image["RepoDigests"] == [registry.reference("rig/plain", digest)]
        assert engine_host.cli("run", "--rm", registry.reference("rig/plain", "1.0")) == "hello"


def test_an_attested_multi_platform_index_is_pulled_for_this_machine(
    engine_host: EngineHost, registry: ImageRegistry
) -> None:
    members = [
        IndexEntry(registry.push_image("rig/multi", architecture="arm64"), "arm64", variant="v8"),
        IndexEntry(registry.push_image("rig/multi", cmd=["echo", "amd64"]), "amd64"),
    ]
    index = registry.push_index("rig/multi", "2.0", members, attested=True)
    engine_host.cli("pull", registry.reference("rig/multi", "2.0"))
    image = engine_host.api("GET", f"/images/{registry.reference('rig/multi', '2.0')}/json")
    assert image["Architecture"] == "amd64"
    assert image["RepoDigests"] == [registry.reference("rig/multi", index)]


def test_a_nested_index_is_served_with_every_level(registry: ImageRegistry) -> None:
    image = registry.push_image("rig/nested", cmd=["true"])
    outer = registry.push_nested("rig/nested", "3.0", [IndexEntry(image)], depth=2)
    levels = [outer]
    while "manifests" in (document := registry.manifest("rig/nested", levels[-1]).json()):
        levels.append(document["manifests"][0]["digest"])
    assert len(levels) == 4
    assert levels[-1] == image


def test_the_access_log_counts_requests(registry: ImageRegistry) -> None:
    registry.push_image("rig/counted", "1", cmd=["true"])
    mark = len(registry.access_log())
    registry.http.head("/v2/rig/counted/manifests/1")
    httpx.get(f"http://{registry.address}/v2/rig/absent/tags/list")
    deadline = time.monotonic() + 5
    while len(seen := registry.requests_since(mark)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [(access.method, access.path, access.status) for access in seen] == [
        ("HEAD", "/v2/rig/counted/manifests/1", 200),
        ("GET", "/v2/rig/absent/tags/list", 404),
    ]


def test_a_manifest_can_be_deleted_and_a_tag_moved(registry: ImageRegistry) -> None:
    first = registry.push_image("rig/moved", "1", labels={"v": "1"})
    second = registry.push_image("rig/moved", "2", labels={"v": "2"})
    assert registry.retag("rig/moved", second, "1") == second
    assert registry.manifest("rig/moved", "1").headers["Docker-Content-Digest"] == second
    registry.delete("rig/moved", first)
    with pytest.raises(httpx.HTTPStatusError):
        registry.manifest("rig/moved", first)


def test_a_registry_with_a_password_refuses_strangers() -> None:
    with image_registry(password=True) as guarded:
        guarded.push_image("rig/secret", "1")
        assert httpx.get(f"http://{guarded.address}/v2/rig/secret/tags/list").status_code == 401


def test_another_engine_s_bridge_survives_the_restart_of_ours() -> None:
    def ip(*arguments: str) -> int:
        return subprocess.run(["busybox", "ip", *arguments], capture_output=True, check=False).returncode

    ours = ip("link", "add", "name", "docker0", "type", "bridge") == 0
    try:
        with docker_engine() as host:
            host.restart()
        assert ip("link", "show", "docker0") == 0
    finally:
        if ours:
            ip("link", "del", "docker0")
