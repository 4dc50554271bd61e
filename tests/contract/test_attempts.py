"""What every count of failed log-ins keeps to: the one in memory, and the one in DynamoDB, which instances share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.adapters.dynamo.attempts import DynamoAttempts
from chalicelib.domain.lockout import LockoutRule
from chalicelib.ports.limits import Attempts
from tests.builders.api import shared_store
from tests.fakes.accounts import FakeAttempts
from tests.fakes.services import NOON

Another = Callable[[], Attempts]
RULE = LockoutRule(3, timedelta(minutes=15), timedelta(minutes=10))


@pytest.fixture(params=["memory", "dynamo"])
def another(request: pytest.FixtureRequest) -> Another:
    """Makes one more instance over the same counts, which are empty."""
    if request.param == "memory":
        shared = FakeAttempts()
        return lambda: shared
    tables = shared_store(request.getfixturevalue("api_store")).tables()
    return lambda: DynamoAttempts(tables)


def test_nobody_is_locked_at_first(another: Another) -> None:
    assert another().locked_until(("a", "b"), NOON) is None


def test_the_last_failure_allowed_locks_for_every_instance(another: Another) -> None:
    until = NOON + RULE.duration
    assert [another().fail("a", RULE, NOON) for _ in range(3)] == [None, None, until]
    assert another().locked_until(("a", "b"), NOON + timedelta(minutes=9)) == until
    assert another().locked_until(("b",), NOON) is None


def test_a_lock_ends_and_the_count_starts_anew(another: Another) -> None:
    for _ in range(3):
        another().fail("a", RULE, NOON)
    later = NOON + timedelta(minutes=10)
    assert another().locked_until(("a",), later) is None
    assert another().fail("a", RULE, later) is None
    assert another().locked_until(("a",), later) is None


def test_failures_are_forgotten_after_the_window_of_the_last(another: Another) -> None:
    another().fail("a", RULE, NOON)
    another().fail("a", RULE, NOON + timedelta(minutes=14))
    assert another().fail("a", RULE, NOON + timedelta(minutes=30)) is None
    assert another().fail("a", RULE, NOON + timedelta(minutes=44)) is None
    assert another().fail("a", RULE, NOON + timedelta(minutes=45)) is not None


def test_success_forgets_failures(another: Another) -> None:
    one = another()
    for _ in range(2):
        one.fail("a", RULE, NOON)
    one.locked_until(("a",), NOON)
    one.clear("a")
    assert [another().fail("a", RULE, NOON) for _ in range(2)] == [None, None]


def test_an_instance_that_saw_an_open_door_lately_may_go_by_that_but_never_for_long(another: Another) -> None:
    one = another()
    one.locked_until(("a",), NOON)
    for _ in range(3):
        another().fail("a", RULE, NOON)
    assert one.locked_until(("a",), NOON + timedelta(seconds=61), max_age=60) == NOON + RULE.duration
    assert one.locked_until(("a",), NOON, max_age=0) == NOON + RULE.duration
