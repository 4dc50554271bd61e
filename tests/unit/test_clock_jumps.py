"""What an update makes of a machine whose clock is set forward or back while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from chalicelib.domain.command import LEASE
from chalicelib.domain.errors import Failed, Stale
from chalicelib.domain.operation import Phase
from tests.builders.updates import AGENT, CHECK, Bench, EngineClock


@dataclass
class LeapingClock(EngineClock):
    """A clock that is set on by that much whenever somebody waits."""

    leap: timedelta = timedelta()

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.at += self.leap


@pytest.mark.parametrize("leap", [timedelta(hours=1), timedelta(hours=-1)], ids=["forward", "back"])
def test_a_healthy_candidate_is_kept_however_the_clock_is_set_while_it_starts(tmp_path: Path, leap: timedelta) -> None:
    bench = Bench(tmp_path)
    bench.clock = LeapingClock(engine=bench.engine, leap=leap)
    bench.rebuild()
    bench.engine.offer("app:2", {"Healthcheck": CHECK}, health=((2, "healthy"),))
    bench.run()
    operation = bench.ask()
    bench.perform(operation)
    assert bench.ended(operation).phase is Phase.SUCCEEDED


def test_a_candidate_that_never_becomes_healthy_is_undone_though_the_clock_is_set_back(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.clock = LeapingClock(engine=bench.engine, leap=timedelta(seconds=-10))
    bench.rebuild()
    bench.engine.offer("app:2", {"Healthcheck": CHECK}, health=((2, "starting"),))
    bench.run()
    operation = bench.ask()
    with pytest.raises(Failed, match="did not pass within"):
        bench.perform(operation)
    assert bench.ended(operation).phase is Phase.ROLLED_BACK


def test_a_clock_that_is_set_back_does_not_stretch_a_lease(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.run()
    operation = bench.ask()
    claim = bench.claim(operation.id)
    began = bench.clock.at
    bench.clock.at -= timedelta(hours=1)
    bench.clock.sleep(LEASE.total_seconds() + 1)
    elsewhere = began + LEASE + timedelta(seconds=1)
    assert bench.commands.claim(AGENT, operation.id, "owner-2", elsewhere, elsewhere + LEASE)
    with pytest.raises(Stale):
        claim.require()
