"""An engine reached over ssh, through a real sshd: everything that goes over a socket goes over it as well."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from chalicelib.config import WatcherSettings
from chalicelib.domain.log import LogQuery
from chalicelib.ports.engine import EngineUnavailable
from local_runtime.engine.docker_engine import DockerEngine
from local_runtime.engine.tunnel import Ssh, Tunnel
from local_runtime.executor.station import connect
from tests.docker.executing import executing
from tests.docker.rig import EngineHost, ImageRegistry
from tests.docker.site import Site, wait_for
from tests.docker.ssh_door import SshDoor, ssh_door
from tests.store_process import running_store

TALKS = "[ -e /data/id ] || echo 1 > /data/id; echo hello; exec sleep 3600"


@pytest.fixture(scope="module")
def door() -> Iterator[SshDoor]:
    with ssh_door() as made:
        yield made


@pytest.fixture(scope="module")
def site(engine_host: EngineHost, registry: ImageRegistry) -> Iterator[Site]:
    made = Site(engine_host, registry, "over-ssh")
    for tag in ("1.0.0", "1.1.0"):
        made.publish(tag, script=TALKS)
    yield made
    engine_host.clear()


def far(door: SshDoor, socket: Path | str) -> WatcherSettings:
    files = {"ssh_key": str(door.key), "ssh_known_hosts": str(door.known_hosts)}
    return WatcherSettings("local", base_url=door.url(socket), watch_at_start=False, **files)  # type: ignore[arg-type]


def test_a_container_behind_ssh_is_followed_checked_updated_read_and_measured(
    door: SshDoor, site: Site, tmp_path: Path
) -> None:
    settings = far(door, site.host.socket)
    engine = connect(settings)
    with (
        running_store(tmp_path / "store") as store,
        executing(site, store.url, tmp_path, watcher=settings, wrap=lambda near: engine) as watching,
    ):
        subject = site.run("web", "1.0.0")
        wait_for(lambda: watching.status("web") == "running")
        watching.watch()
        found = watching.stored("web")
        assert found is not None and found.update.remote_value == "1.1.0"
        assert watching.update(subject, "1.1.0").status == "succeeded"
        assert site.inspect("web")["Config"]["Image"] == site.reference("1.1.0")
        batches = list(engine.logs("web", LogQuery(tail=5)))
        assert [line.line for batch in batches for line in batch] == ["hello"]
        reading = engine.stats("web")
        assert reading is not None
        door.cut()
        site.host.api("POST", "/containers/web/stop", params={"t": "0"})
        wait_for(lambda: watching.status("web") == "exited", 20)
    assert len(door.connections()) == 1, "one connection for all that"
    engine.close()  # type: ignore[attr-defined]
    wait_for(lambda: not door.connections())


def test_who_is_not_who_the_other_knows_is_told_why(door: SshDoor, engine_host: EngineHost) -> None:
    right = far(door, engine_host.socket)
    troubles = {
        "Host key verification failed": replace(right, ssh_known_hosts="/dev/null"),
        "REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed": replace(
            right, ssh_known_hosts=str(door.other_hosts)
        ),
        "Permission denied": replace(right, ssh_key=str(door.stranger)),
        "Connection refused": replace(right, base_url="ssh://nobody@127.0.0.1:9"),
        "ssh says: .*open failed": replace(right, base_url=door.url("/nowhere/docker.sock")),
    }
    for said, settings in troubles.items():
        engine = connect(settings)
        try:
            with pytest.raises(EngineUnavailable, match=said) as caught:
                engine.info()
        finally:
            engine.close()  # type: ignore[attr-defined]
        assert caught.value.transient


def test_a_killed_executor_leaves_no_connection_behind(door: SshDoor, engine_host: EngineHost) -> None:
    program = (
        "import sys, time; from local_runtime.engine.tunnel import Ssh, Tunnel; "
        "Tunnel(sys.argv[1], Ssh(sys.argv[2], sys.argv[3])).open(); print('open', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, door.url(engine_host.socket), str(door.key), str(door.known_hosts)]
    # A socket's path must be short, and what a killed program leaves behind must go.
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"TMPDIR": folder}) as child,
    ):
        assert child.stdout is not None and child.stdout.readline() == b"open\n"
        assert door.connections()
        child.kill()
        wait_for(lambda: not door.connections())


def test_a_machine_without_ssh_is_told_what_to_install(
    door: SshDoor, engine_host: EngineHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EngineUnavailable, match="openssh-client"):
        Tunnel(door.url(engine_host.socket), Ssh()).open()


def test_a_connection_costs_its_price_once(door: SshDoor, engine_host: EngineHost) -> None:
    engine = DockerEngine(door.url(engine_host.socket), ssh=Ssh(str(door.key), str(door.known_hosts)))
    engine.info()
    began = time.monotonic()
    for _ in range(20):
        engine.info()
    assert time.monotonic() - began < 5
    assert len(door.connections()) == 1
    engine.close()
