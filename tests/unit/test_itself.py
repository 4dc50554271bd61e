"""An executor knows its own container by its id: whatever /proc guesses, the engine must prove."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from chalicelib.ports.engine import EngineNotFound, EngineUnavailable
from local_runtime.executor.deputies.itself import Itself

OURS, OTHER = "a1" * 32, "b2" * 32
OVERLAY = "/var/lib/docker/overlay2"


class Engine:
    """Knows these containers. `asked` lists what it was asked for."""

    def __init__(self, *documents: Mapping[str, Any], down: bool = False) -> None:
        self.documents = documents
        self.down = down
        self.asked: list[str] = []

    def inspect(self, container: str) -> Mapping[str, Any]:
        self.asked.append(container)
        if self.down:
            raise EngineUnavailable("no answer")
        for document in self.documents:
            if document["Id"].startswith(container) or document["Name"] == f"/{container}":
                return document
        raise EngineNotFound(container)

    def containers(self, all: bool = False) -> list[Mapping[str, Any]]:
        return [{"Id": one["Id"], "HostConfig": one["HostConfig"]} for one in self.documents]


def container(id: str, *, name: str = "slipway", network: str = "bridge", running: bool = True) -> dict[str, Any]:
    return {
        "Id": id,
        "Name": f"/{name}",
        "State": {"Running": running},
        "HostConfig": {"NetworkMode": network},
        "GraphDriver": {"Name": "overlay2", "Data": {"UpperDir": f"{OVERLAY}/{id}/diff"}},
    }


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    return tmp_path


def mounts(proc: Path, files_of: str, root_of: str = OURS) -> None:
    lines = [
        f"600 500 0:50 / / rw - overlay overlay rw,lowerdir=/l,upperdir={OVERLAY}/{root_of}/diff,workdir=/w",
        f"601 600 8:1 /var/lib/docker/containers/{files_of}/resolv.conf /etc/resolv.conf rw - ext4 /dev/sda rw",
        f"602 600 8:1 /var/lib/docker/containers/{files_of}/hostname /etc/hostname rw - ext4 /dev/sda rw",
    ]
    (proc / "mountinfo").write_text("\n".join(lines))


@pytest.mark.parametrize(
    "line",
    [
        f"4:memory:/docker/{OURS}",
        f"0::/system.slice/docker-{OURS}.scope",
        f"0::/docker/{OTHER}/docker/{OURS}",
        f"4:memory:/kubepods/pod1/{OURS}",
    ],
)
def test_a_control_group_names_the_container(proc: Path, line: str) -> None:
    (proc / "cgroup").write_text(f"1:name=systemd:/\n{line}\n")
    assert Itself(proc, "any").on("local", Engine(container(OURS), container(OTHER))) == (OURS,)  # type: ignore[arg-type]


def test_where_control_groups_are_hidden_the_mounted_files_tell(proc: Path) -> None:
    (proc / "cgroup").write_text("0::/\n")
    mounts(proc, OURS)
    assert Itself(proc, "renamed-host").on("local", Engine(container(OURS))) == (OURS,)  # type: ignore[arg-type]


def test_a_host_name_that_is_an_id_is_believed_when_the_engine_knows_it(proc: Path) -> None:
    assert Itself(proc, OURS[:12]).on("local", Engine(container(OURS))) == (OURS,)  # type: ignore[arg-type]
    assert Itself(proc, OTHER[:12]).on("local", Engine(container(OURS))) == ()  # type: ignore[arg-type]


def test_a_container_whose_name_is_our_host_name_is_not_us(proc: Path) -> None:
    name = "0123456789ab"
    assert Itself(proc, name).on("local", Engine(container(OURS, name=name))) == ()  # type: ignore[arg-type]


def test_a_machine_that_runs_no_container_asks_no_engine(proc: Path) -> None:
    engine = Engine(container(OURS))
    (proc / "cgroup").write_text("0::/init.scope\n")
    assert Itself(proc, "attic").on("local", engine) == ()  # type: ignore[arg-type]
    assert engine.asked == []


def test_a_container_that_does_not_run_is_not_us(proc: Path) -> None:
    (proc / "cgroup").write_text(f"4:memory:/docker/{OURS}\n")
    assert Itself(proc, "any").on("local", Engine(container(OURS, running=False))) == ()  # type: ignore[arg-type]


def test_containers_of_one_network_are_told_apart_by_what_they_write(proc: Path) -> None:
    mounts(proc, files_of=OTHER, root_of=OURS)
    vpn, ours = container(OTHER, name="vpn"), container(OURS, network=f"container:{OTHER}")
    assert Itself(proc, "vpn").on("local", Engine(vpn, ours)) == (OURS,)  # type: ignore[arg-type]


def test_when_they_cannot_be_told_apart_all_of_them_may_be_us(proc: Path) -> None:
    mounts(proc, files_of=OTHER, root_of="unknown")
    vpn, ours = container(OTHER, name="vpn"), container(OURS, network=f"container:{OTHER}")
    assert set(Itself(proc, "vpn").on("local", Engine(vpn, ours))) == {OURS, OTHER}  # type: ignore[arg-type]


def test_an_engine_that_does_not_answer_is_asked_again(proc: Path) -> None:
    (proc / "cgroup").write_text(f"4:memory:/docker/{OURS}\n")
    engine, itself = Engine(container(OURS), down=True), Itself(proc, "any")
    with pytest.raises(EngineUnavailable):
        itself.on("local", engine)  # type: ignore[arg-type]
    engine.down = False
    assert itself.on("local", engine) == (OURS,)  # type: ignore[arg-type]
    assert itself.on("local", engine) == (OURS,)  # type: ignore[arg-type]
    assert engine.asked == [OURS, OURS]
