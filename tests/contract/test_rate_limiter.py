"""What every RateLimiter keeps to; the one in memory so far."""

from __future__ import annotations

from datetime import timedelta
from threading import Barrier, Thread

import pytest

from chalicelib.adapters.limits_memory import MemoryRateLimiter
from chalicelib.ports.limits import RateLimiter, Usage
from tests.fakes.services import NOON


@pytest.fixture
def limiter() -> RateLimiter:
    return MemoryRateLimiter()


def test_the_first_hit_opens_the_window(limiter: RateLimiter) -> None:
    assert limiter.hit("a", 60, NOON) == Usage(1, 60)


def test_hits_are_counted_until_the_window_ends(limiter: RateLimiter) -> None:
    limiter.hit("a", 60, NOON)
    assert limiter.hit("a", 60, NOON + timedelta(seconds=59)) == Usage(2, 1)
    assert limiter.hit("a", 60, NOON + timedelta(seconds=60)) == Usage(1, 60)


def test_a_refused_hit_does_not_prolong_the_window(limiter: RateLimiter) -> None:
    for second in range(0, 60, 10):
        limiter.hit("a", 60, NOON + timedelta(seconds=second))
    assert limiter.hit("a", 60, NOON + timedelta(seconds=61)).count == 1


def test_keys_are_counted_apart(limiter: RateLimiter) -> None:
    limiter.hit("a", 60, NOON)
    assert limiter.hit("b", 60, NOON).count == 1


def test_hits_at_once_are_all_counted(limiter: RateLimiter) -> None:
    gate, counts = Barrier(8), []

    def hit() -> None:
        gate.wait(10)
        counts.extend(limiter.hit("a", 60, NOON).count for _ in range(50))

    threads = [Thread(target=hit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(counts) == list(range(1, 401))


def test_memory_is_bounded_and_windows_that_are_over_go_first() -> None:
    limiter = MemoryRateLimiter(capacity=3)
    limiter.hit("over", 1, NOON)
    for key in ("a", "b"):
        limiter.hit(key, 60, NOON)
    limiter.hit("c", 60, NOON + timedelta(seconds=2))
    assert [limiter.hit(key, 60, NOON + timedelta(seconds=3)).count for key in ("a", "b", "c")] == [2, 2, 2]
    for number in range(10):
        limiter.hit(f"more {number}", 60, NOON)
    assert limiter.hit("more 9", 60, NOON).count == 2
    assert limiter.hit("a", 60, NOON).count == 1
