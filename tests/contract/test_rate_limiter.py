"""What every RateLimiter keeps to: the one in DynamoDB, which instances share, and the fake in memory."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from threading import Barrier, Thread

import pytest

from chalicelib.adapters.dynamo.limits import DynamoRateLimiter
from chalicelib.domain.errors import Unavailable
from chalicelib.ports.limits import RateLimiter, Usage
from tests.builders.api import shared_store
from tests.fakes.limits import FakeRateLimiter
from tests.fakes.services import NOON

Another = Callable[[], DynamoRateLimiter]


@pytest.fixture
def another(api_store: str) -> Another:
    """Makes one more instance over the same tables, which are empty."""
    tables = shared_store(api_store).tables()
    return lambda: DynamoRateLimiter(tables)


@pytest.fixture(params=["memory", "dynamo"])
def limiter(request: pytest.FixtureRequest) -> RateLimiter:
    if request.param == "memory":
        return FakeRateLimiter()
    made: DynamoRateLimiter = request.getfixturevalue("another")()
    return made


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


class CountingWrites:
    """A DynamoDB client that counts its updates."""

    def __init__(self, client: object) -> None:
        self._client = client
        self.updates = 0

    def update_item(self, **request: object) -> object:
        self.updates += 1
        return self._client.update_item(**request)  # type: ignore[attr-defined]


def counted(limiter: DynamoRateLimiter) -> CountingWrites:
    limiter._client = counting = CountingWrites(limiter._client)
    return counting


def test_a_small_limit_is_exact_over_all_instances(another: Another) -> None:
    instances = [another() for _ in range(3)]
    counts = [instances[hit % 3].hit("a", 60, NOON, 10).count for hit in range(12)]
    assert counts == list(range(1, 13))


def test_a_large_limit_holds_over_all_instances_within_a_sixtieth_for_each(another: Another) -> None:
    instances, most = [another() for _ in range(4)], 600
    allowed = sum(instances[hit % 4].hit("a", 900, NOON, most).count <= most for hit in range(1200))
    assert most <= allowed <= most + 4 * (most // 60)


def test_a_large_limit_is_written_down_once_per_sixtieth(another: Another) -> None:
    limiter = another()
    counting = counted(limiter)
    assert [limiter.hit("a", 900, NOON, 3000).count for _ in range(501)] == list(range(1, 502))
    assert counting.updates == 11


def test_a_limit_that_is_used_up_is_not_written_down_again(another: Another) -> None:
    limiter = another()
    counting = counted(limiter)
    for _ in range(30):
        usage = limiter.hit("a", 60, NOON, 5)
    assert usage.count > 5
    assert counting.updates <= 7
    assert another().hit("a", 60, NOON, 5).count > 5


def test_instances_agree_on_when_the_window_ends(another: Another) -> None:
    another().hit("a", 60, NOON)
    assert another().hit("a", 60, NOON + timedelta(seconds=40)) == Usage(2, 20)
    assert another().hit("a", 60, NOON + timedelta(seconds=61)) == Usage(1, 60)


def test_without_the_store_a_large_limit_still_holds_here_and_a_small_one_refuses(another: Another) -> None:
    limiter = another()

    class Gone:
        def update_item(self, **_request: object) -> object:
            from botocore.exceptions import EndpointConnectionError

            raise EndpointConnectionError(endpoint_url="http://gone.test")

    limiter._client = Gone()
    counts = [limiter.hit("a", 900, NOON, 600).count for _ in range(700)]
    assert counts[599:601] == [600, 601]
    with pytest.raises(Unavailable):
        limiter.hit("b", 60, NOON, 10)
