"""The operator's patterns: what compiles, what does not, and that none can run for long."""

from __future__ import annotations

import time

import pytest

from chalicelib.adapters.patterns import Re2Patterns
from chalicelib.ports.patterns import BadPattern

patterns = Re2Patterns()


def test_a_pattern_is_searched_for_anywhere() -> None:
    assert patterns.matcher("2.3").search("1.2.3")
    assert not patterns.matcher("^2").search("1.2.3")


@pytest.mark.parametrize("pattern", ["(", "[", "(?=a)", "(?<!a)b", r"(a)\1", "a" * 1025, "*"])
def test_a_pattern_that_cannot_be_used_says_why(pattern: str) -> None:
    with pytest.raises(BadPattern, match="pattern"):
        patterns.matcher(pattern)


def test_a_pattern_made_to_explode_does_not() -> None:
    before = time.monotonic()
    assert not patterns.matcher("(a+)+$").search("a" * 5000 + "!")
    assert time.monotonic() - before < 10


@pytest.mark.parametrize(
    ("formula", "tag", "transformed"),
    [
        (r"^v(.*)$ => $1", "v1.2.3", "1.2.3"),
        (r"^v(.*)$=>$1", "v1.2.3", "1.2.3"),
        (r"^v(.*)$ => $1", "1.2.3", "1.2.3"),
        (r"(\d+)\.(\d+) => $2-$1", "1.2", "2-1"),
        (r"(\d+)(-x)? => [$1$2]", "1", "[1]"),
        (r"(\d+) => $1$7", "1", "1"),
        (r"\d+ => <$0>", "a12b", "<12>"),
        (r"(1) => $1 => $1", "1", "1 => 1"),
        (r"(a)(b)(c)(d)(e)(f)(g)(h)(i)(j) => $10$1", "abcdefghij", "ja"),
    ],
)
def test_a_transform_rewrites_what_matches(formula: str, tag: str, transformed: str) -> None:
    assert patterns.transform(formula)(tag) == transformed


@pytest.mark.parametrize("formula", ["", "no arrow", "=> $1", "( => $1"])
def test_a_transform_that_cannot_be_used_says_why(formula: str) -> None:
    with pytest.raises(BadPattern):
        patterns.transform(formula)
