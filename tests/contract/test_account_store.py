"""What every AccountStore keeps to: the one in memory, and the one in DynamoDB."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Barrier, Thread

import pytest

from chalicelib.adapters.dynamo.account import DynamoAccounts
from chalicelib.domain.account import Account
from chalicelib.domain.errors import Stale
from chalicelib.ports.accounts import AccountStore
from tests.builders.api import shared_store
from tests.fakes.accounts import FakeAccounts

Another = Callable[[], AccountStore]
ADA = Account("ada", "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA", datetime(2026, 3, 18, 19, 18, 38, 485000, tzinfo=UTC))


@pytest.fixture(params=["memory", "dynamo"])
def another(request: pytest.FixtureRequest) -> Another:
    """Opens the same empty store again and again, as several instances would."""
    if request.param == "memory":
        shared = FakeAccounts()
        return lambda: shared
    shared_store(request.getfixturevalue("api_store")).tables()
    return DynamoAccounts


def test_an_empty_store_knows_nobody(another: Another) -> None:
    assert not another().any()
    assert another().get("ada") is None


def test_an_account_is_found_as_it_was_put_by_any_instance(another: Another) -> None:
    another().put_new(ADA)
    assert another().get("ada") == ADA
    assert another().any()


def test_names_are_told_apart_by_case(another: Another) -> None:
    another().put_new(ADA)
    assert another().get("Ada") is None


def test_a_name_that_is_taken_stays_with_whoever_has_it(another: Another) -> None:
    another().put_new(ADA)
    with pytest.raises(Stale):
        another().put_new(Account("ada", "other"))
    assert another().get("ada") == ADA


def test_of_many_who_take_a_name_at_once_one_gets_it(another: Another) -> None:
    gate, taken, refused = Barrier(6), [], []

    def take(number: int) -> None:
        gate.wait(10)
        try:
            another().put_new(Account("admin", f"hash {number}"))
            taken.append(number)
        except Stale:
            refused.append(number)

    threads = [Thread(target=take, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(taken), len(refused)) == (1, 5)
    admin = another().get("admin")
    assert admin is not None
    assert admin.password_hash == f"hash {taken[0]}"


def test_a_secret_is_made_once_and_shared(another: Another) -> None:
    secret = another().secret("session")
    assert len(secret) >= 32
    assert another().secret("session") == secret
    assert another().secret("other") != secret
    assert not another().any()


def test_a_session_that_was_ended_is_ended_for_every_instance_and_no_other_is(another: Another) -> None:
    until = datetime(2099, 1, 1, tzinfo=UTC)
    another().end_session("s-1", until)
    another().end_session("s-1", until)
    assert another().session_ended("s-1")
    assert not another().session_ended("s-2")
    assert not another().any()
