"""The order people expect of names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.collation import name_key

EXPECTED = "_x -x 1 a A a_b a-b a.b a1 a10 a2 ab aB Ab b B e é z"


def test_names_are_ordered_as_the_unicode_root_collation_orders_them() -> None:
    names = EXPECTED.split()
    backwards = names[::-1]
    assert sorted(backwards, key=name_key) == names


@given(st.lists(st.text("aAbBéÉ1290_-. äßŁ", max_size=6), max_size=20))
def test_the_order_does_not_depend_on_where_one_starts(names: list[str]) -> None:
    backwards = names[::-1]
    assert sorted(names, key=name_key) == sorted(backwards, key=name_key)


@given(st.text(max_size=12), st.text(max_size=12))
def test_only_equal_names_have_equal_keys(one: str, other: str) -> None:
    assert (name_key(one) == name_key(other)) is (one == other)


@given(st.text("abcxyz0189", max_size=6), st.text("abcxyz0189", max_size=6))
def test_plain_names_are_ordered_as_text(one: str, other: str) -> None:
    assert (name_key(one) < name_key(other)) is (one < other)
