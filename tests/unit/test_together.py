"""Sharing one question among those who ask it at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from chalicelib.adapters.dynamo.together import Together


def test_those_who_come_while_one_is_asked_share_the_next() -> None:
    asked = 0
    inside, go_on = threading.Event(), threading.Event()

    def ask() -> int:
        nonlocal asked
        asked += 1
        mine = asked
        inside.set()
        assert go_on.wait(5)
        return mine

    together = Together(ask)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(together)
        assert inside.wait(5)
        later = [pool.submit(together) for _ in range(5)]
        while together._next is None:
            pass
        go_on.set()
        assert first.result(5) == 1
        answers = {one.result(5) for one in later}
    assert min(answers) == 2, "an answer asked for before one came is too old for it"
    assert asked <= 6


def test_alone_every_question_is_asked() -> None:
    numbers = iter(range(3))
    together = Together(lambda: next(numbers))
    assert [together(), together(), together()] == [0, 1, 2]


def test_trouble_reaches_the_asker_and_the_next_question_is_asked_anew() -> None:
    answers: list[object] = [ValueError("down"), 7]

    def ask() -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    together = Together(ask)
    with pytest.raises(ValueError, match="down"):
        together()
    assert together() == 7
