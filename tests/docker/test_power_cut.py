"""Executor and engine are gone at once, and the engine comes up first: it starts what its restart policies say.

Of the old container and the new one never both may then run, for the port is there once; and in the end one does.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.docker.matrix import Matrix, Scenario, Trouble, matrix_on
from tests.docker.rig import EngineHost, ImageRegistry, docker_engine


def served() -> dict[str, Any]:
    """What an ordinary service has: a port of the host, and the wish to run whenever the engine does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    bindings = {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(port)}]}
    host_config = {"PortBindings": bindings, "RestartPolicy": {"Name": "always"}}
    return {"ExposedPorts": {"80/tcp": {}}, "HostConfig": host_config}


def power_cut(host: EngineHost) -> None:
    host.kill()
    host.start()


# Where a container is, and what its engine would start: changed by these, forth and back.
FORTH, BACK, ACROSS = ("rename", "create", "set_restart", "stop", "start"), ("remove", "rename"), ("stop", "start")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("keeps", [False, True], ids=["containers end with it", "containers live on"])
def test_the_service_runs_again_wherever_the_engine_was_cut_off(
    registry: ImageRegistry, tmp_path: Path, keeps: bool
) -> None:
    moved = Scenario("moved", "plain", True, body=served(), second_network=True)
    rolled_back = Scenario("rolled-back", "crash", False, grace_ms=300, body=served())
    with docker_engine(live_restore=keeps) as host, matrix_on(host, registry, tmp_path, lanes=1) as matrix:
        strange = wrong_after_cuts(matrix, moved, host, ACROSS if keeps else FORTH)
        if not keeps:
            strange |= wrong_after_cuts(matrix, rolled_back, host, BACK)
        assert strange == {}, json.dumps(strange, indent=1)


def wrong_after_cuts(
    matrix: Matrix, scenario: Scenario, host: EngineHost, acts: tuple[str, ...]
) -> dict[str, list[str]]:
    """What is wrong after the power was cut right behind each of these calls to the engine, by that call."""
    (whole,), wrong = matrix.run(scenario, None)
    assert wrong == []
    cuts = [cut for cut, name in enumerate(whole.points, 1) if name.removeprefix("engine.") in acts]
    assert len(cuts) >= len(acts), whole.points
    strange = {}
    for cut in cuts:
        _, wrong = matrix.run(scenario, Trouble(cut + 1), None, between=lambda: power_cut(host))
        if wrong:
            strange[f"{scenario.name}, {cut}: after {whole.points[cut - 1]}"] = wrong
    return strange
