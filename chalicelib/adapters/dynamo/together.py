"""One question for all who ask it at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Together(Generic[Answer]):
    """Asks on behalf of many threads, and never gives one an answer that is older than its own question.

    Those who come while one question is being asked wait for the next, and share that.
    """

    def __init__(self, ask: Callable[[], Answer]) -> None:
        self._ask = ask
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._next: Future[Answer] | None = None

    def __call__(self) -> Answer:
        """The answer. Raises what asking raises, for all who share it."""
        with self._guard:
            leads = self._next is None
            answer = self._next = self._next or Future()
        if leads:
            self._lead(answer)
        return answer.result()

    def _lead(self, answer: Future[Answer]) -> None:
        with self._turn:
            with self._guard:
                self._next = None
            try:
                answer.set_result(self._ask())
            except BaseException as error:
                answer.set_exception(error)
