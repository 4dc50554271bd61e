"""What every TokenStore keeps to: the one in memory, and the one in DynamoDB with its memory in front."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from chalicelib.adapters.dynamo.token import DynamoTokens
from chalicelib.adapters.tokens_remembered import RememberedTokens
from chalicelib.domain.token import Token, digest
from chalicelib.ports.accounts import TokenStore
from tests.builders.api import shared_store
from tests.fakes.accounts import FakeTokens
from tests.fakes.services import NOON

Another = Callable[[], TokenStore]


def token(text: str, minutes: int = 0) -> Token:
    return Token(
        digest(text),
        "dashboard",
        "ada",
        "account",
        ("read",),
        "slw_abcd…",
        NOON + timedelta(minutes=minutes),
        NOON + timedelta(days=1),
    )


@pytest.fixture(params=["memory", "dynamo"])
def another(request: pytest.FixtureRequest) -> Another:
    """Makes one more instance over the same tokens, of which there are none."""
    if request.param == "memory":
        shared = FakeTokens()
        return lambda: shared
    shared_store(request.getfixturevalue("api_store")).tables()
    return lambda: RememberedTokens(DynamoTokens())


def test_a_token_is_found_as_it_was_kept_by_any_instance(another: Another) -> None:
    another().add(token("a"))
    assert another().get(digest("a")) == token("a")
    assert another().get(digest("b")) is None


def test_tokens_are_listed_newest_first(another: Another) -> None:
    for text, minutes in (("a", 1), ("b", 3), ("c", 2)):
        another().add(token(text, minutes))
    assert another().all() == [token("b", 3), token("c", 2), token("a", 1)]


def test_a_revoked_token_is_gone_here_at_once(another: Another) -> None:
    one = another()
    one.add(token("a"))
    assert one.get(digest("a")) is not None
    assert one.remove(token("a").id) == token("a")
    assert one.get(digest("a")) is None
    assert another().all() == []


def test_only_a_whole_id_revokes(another: Another) -> None:
    another().add(token("a"))
    for wrong in ("", token("a").id[:8], digest("a"), "zz", digest("b")[:16]):
        assert another().remove(wrong) is None
    assert another().get(digest("a")) is not None


def test_the_last_use_is_noted_and_brings_nothing_back(another: Another) -> None:
    one = another()
    one.add(token("a"))
    one.touch(token("a"), NOON)
    found = another().get(digest("a"))
    assert found is not None
    assert found.last_used_at == NOON
    one.remove(token("a").id)
    one.touch(token("a"), NOON)
    assert another().get(digest("a")) is None
