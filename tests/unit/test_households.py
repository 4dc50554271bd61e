"""Who lives in whose namespaces is asked of the engine once for each container."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from local_runtime.executor.aftercare.dependents import Households, running_dependents, stranded
from tests.fakes.engine import FakeEngine


class CountingEngine(FakeEngine):
    """Counts who was looked at."""

    looked: Counter[str]

    def inspect(self, container: str) -> Any:
        self.looked[container] += 1
        return super().inspect(container)


@pytest.fixture
def engine() -> CountingEngine:
    made = CountingEngine()
    made.looked = Counter()
    made.add_image("app:1", {})
    return made


def run(engine: FakeEngine, name: str, **host_config: Any) -> str:
    made = engine.create(name, {"Image": "app:1", "HostConfig": host_config})
    engine.start(made)
    return made


def test_a_container_is_looked_at_once_and_only_those_concerned_again(engine: CountingEngine) -> None:
    provider = run(engine, "vpn")
    guest = run(engine, "torrent", NetworkMode=f"container:{provider}")
    strangers = [run(engine, f"other-{number}") for number in range(5)]
    households = Households()
    for _ in range(3):
        assert running_dependents(engine, households, provider) == (guest,)
    assert {engine.looked[one] for one in (provider, *strangers)} == {1}


def test_newcomers_are_seen_and_those_who_have_gone_are_forgotten(engine: CountingEngine) -> None:
    provider = run(engine, "vpn")
    households = Households()
    assert running_dependents(engine, households, provider) == ()
    guest = run(engine, "torrent", PidMode=f"container:{provider}")
    assert running_dependents(engine, households, provider) == (guest,)
    engine.remove(guest, force=True)
    assert running_dependents(engine, households, provider) == ()
    assert set(households.now(engine)) == {provider}


def test_who_lives_with_a_guest_that_is_stopped_is_cut_off_already(engine: CountingEngine) -> None:
    provider = run(engine, "vpn")
    guest = run(engine, "torrent", IpcMode=f"container:{provider}")
    run(engine, "sidecar", IpcMode=f"container:{guest}")
    engine.stop(guest, 0)
    assert running_dependents(engine, Households(), provider) == ()


def test_the_stranded_are_told_with_the_one_they_name(engine: CountingEngine) -> None:
    gone = run(engine, "vpn")
    guest = run(engine, "torrent", NetworkMode=f"container:{gone}")
    run(engine, "other")
    engine.remove(gone, force=True)
    found = stranded(engine, Households(), {gone})
    assert [(provider, document["Id"]) for provider, document in found] == [(gone, guest)]
    assert stranded(engine, Households(), ()) == []
