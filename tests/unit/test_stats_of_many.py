"""Two hundred containers that nobody has looked at yet: the first answer comes soon, and slow ones hold up nobody."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.config import WatcherSettings
from chalicelib.domain.stats import CpuTimes, Reading
from local_runtime.executor.observing.sampler import Sampler
from tests.fakes.observation import FakeSamples

MANY = 200


class Slow:
    """An engine with many containers; one of them hangs until it is let go."""

    def __init__(self, alone: float, measured: float) -> None:
        self._alone, self._measured = alone, measured
        self.go_on = threading.Event()
        self.asked = 0

    def containers(self, all: bool = False) -> list[dict[str, Any]]:
        return [{"Id": str(number), "Names": [f"/c{number}"], "Labels": {}} for number in range(MANY)]

    def stats(self, container: str, *, at_once: bool = False) -> Reading:
        self.asked += 1
        if container == "7":
            self.go_on.wait(20)
        short = at_once and self._alone < self._measured
        time.sleep(self._alone if short else self._measured)
        now = datetime.now(UTC)
        cpu = CpuTimes(int(now.timestamp() * 1e9) // 2, None, 4)
        earlier = None if short else CpuTimes(cpu.container - 10**9, None, 4)
        return Reading(now, cpu, 10, 100, 1, 2, 3, 4, earlier)


@pytest.mark.parametrize(
    ("alone", "calls", "bound", "least"), [(0.01, 2 * MANY, 3.0, MANY - 1), (1.5, MANY, 4.0, MANY // 3)]
)
def test_most_of_a_large_fleet_is_there_within_the_first_readers_patience(
    alone: float, calls: int, bound: float, least: int
) -> None:
    samples, clock, engine = FakeSamples(), SystemClock(), Slow(alone, 1.5)
    places: Any = [(WatcherSettings("local"), engine)]
    sampler = Sampler("local", places, samples, clock, timedelta(seconds=10), 60)  # type: ignore[arg-type]
    samples.arm("local", None, None, clock.now() + timedelta(seconds=30))
    begun = time.monotonic()
    thread = threading.Thread(target=sampler.sample_first, args=(None,))
    thread.start()
    while len(samples.latest.get("local", ())) < least:
        assert time.monotonic() - begun < bound
        time.sleep(0.02)
    print(f"{len(samples.latest['local'])} after {time.monotonic() - begun:.2f} s")
    engine.go_on.set()
    thread.join(20)
    print(f"all after {time.monotonic() - begun:.2f} s")
    assert len(samples.latest["local"]) == MANY
    assert engine.asked == calls
    if alone < 1:
        share = next(iter(samples.latest["local"].values())).cpu_percent
        assert 45 < share < 55
    sampler.stop()
