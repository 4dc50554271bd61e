"""Whatever call of an update or a rollback goes wrong, and however: the host is whole and the operation ended.

Every call to the engine and every write to the store is refused, lost on the way, or carried out with its answer lost;
once, and so often in a row that the next ones fail as well. What comes to the same is tried once: a write to the store
fails in one way, and it makes no difference whether the answer to a mere look was lost or the question.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.docker.matrix import Matrix, Scenario, Trouble, matrix_on
from tests.docker.rig import EngineHost, ImageRegistry

LANES = 5
ALWAYS = {"HostConfig": {"RestartPolicy": {"Name": "always"}}}
SCENARIOS = (
    Scenario("update", "plain", True, body=ALWAYS, second_network=True),
    Scenario("back", "plain", True, body=ALWAYS, back=True),
    Scenario("rollback-rm", "crash", False, grace_ms=300, body={"HostConfig": {"AutoRemove": True}}),
)
ONCE = (("refused", 1, "all"), ("lost", 1, "engine"), ("unanswered", 1, "acts"))
CASES = [
    (scenario, how, times, counted)
    for scenario in SCENARIOS
    # A way back goes by the same steps as an update: what long troubles do to those is seen there.
    for how, times, counted in (ONCE if scenario.back else (*ONCE, ("lost", 4, "all")))
]


@pytest.fixture(scope="module")
def matrix(
    engine_host: EngineHost, registry: ImageRegistry, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Matrix]:
    with matrix_on(engine_host, registry, tmp_path_factory.mktemp("faults"), LANES) as made:
        yield made


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("scenario", "how", "times", "counted"), CASES, ids=lambda value: getattr(value, "name", str(value))
)
def test_no_trouble_strands_a_service(matrix: Matrix, scenario: Scenario, how: str, times: int, counted: str) -> None:
    (whole,), wrong = matrix.run(scenario, Trouble(None, counted=counted))
    assert wrong == []
    troubles = [Trouble(cut, how, times, counted) for cut in range(1, len(whole.points) + 1)]
    with ThreadPoolExecutor(LANES) as lanes:
        runs = list(lanes.map(lambda trouble: (trouble, *matrix.run(scenario, trouble)), troubles))
    strange = {
        f"{trouble.cut}: {whole.points[trouble.cut - 1]}": (wrong, lives[0].problem)
        for trouble, lives, wrong in runs
        if wrong
    }
    assert strange == {}, json.dumps(strange, indent=1)
    print(scenario.name, how, times, len(runs), Counter(lives[0].problem[:60] for _, lives, _ in runs))
