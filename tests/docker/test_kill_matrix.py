"""An executor killed at any point of an update or a rollback leaves a host that its next life makes whole.

The points are every call to the engine and every write to the store, as a trace of the whole story names them. Killed
before one is the same as killed after the one before it: between the two lies nothing but memory. By the same token
a mere look leaves the world as it was: the variants of the story are cut at every act.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.docker.matrix import LANES, Matrix, Scenario, Trouble, matrix_on
from tests.docker.rig import EngineHost, ImageRegistry

ALWAYS = {"HostConfig": {"RestartPolicy": {"Name": "always"}}}
OFFLINE = {"HostConfig": {"NetworkMode": "none"}}
"""Takes an engine a third less time to start; for stories that networks have no part in."""
STORIES = (
    Scenario("update", "2", True, body=ALWAYS, second_network=True),
    Scenario("rollback", "crash", False, grace_ms=400, dependents=("PidMode",)),
    Scenario("back", "plain", True, body=ALWAYS, back=True),
)
VARIANTS = (
    Scenario("update-stopped", "plain", True, start=False, body=OFFLINE),
    Scenario("back-in-vain", "crash", False, grace_ms=400, body=ALWAYS, back=True),
    Scenario("provider", "plain", True, body=OFFLINE, dependents=("PidMode",)),
    Scenario("rollback-rm", "crash", False, grace_ms=400, body={"HostConfig": {"AutoRemove": True}}),
)


@pytest.fixture(scope="module")
def matrix(
    engine_host: EngineHost, registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    with matrix_on(engine_host, registry, tmp_path_factory.mktemp("matrix")) as made:
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scenario", "counted", "least", "beyond"),
    [*((story, "all", 20, 12) for story in STORIES), *((variant, "acts", 12, 3) for variant in VARIANTS)],
    ids=lambda value: getattr(value, "name", str(value)),
)
def test_no_point_of_death_strands_a_service(
    matrix: Matrix, scenario: Scenario, counted: str, least: int, beyond: int
) -> None:
    with ThreadPoolExecutor(LANES) as lanes:
        # In company, as the others will be: whoever looks for dependents looks at every container there is.
        tried = list(lanes.map(lambda _: matrix.run(scenario, Trouble(None, counted=counted)), range(LANES)))
        assert [wrong for _, wrong in tried] == [[]] * LANES
        whole = max((life for (life,), _ in tried), key=lambda life: len(life.points))
        assert len(whole.points) > least, whole.points
        cuts = range(1, len(whole.points) + 1)
        runs = list(lanes.map(lambda cut: (cut, *matrix.run(scenario, Trouble(cut, counted=counted), None)), cuts))
    killed = [cut for cut, lives, _ in runs if lives[0].killed]
    # No two lives look equally often while they wait for health: the last cuts may lie beyond a shorter one's end.
    assert len(killed) >= len(whole.points) - beyond
    strange = {f"{cut}: killed before {whole.points[cut - 1]}": wrong for cut, _, wrong in runs if wrong}
    assert strange == {}, json.dumps(strange, indent=1)
    print(f"{scenario.name}: killed at {len(killed)} points of {len(whole.points)}: {whole.points}")
