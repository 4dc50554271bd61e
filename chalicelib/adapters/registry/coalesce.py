"""Asks each question once, however many threads have it: the others wait for the one answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Once:
    """Answers and failures by question, kept as long as this object lives; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: dict[Hashable, Future[Any]] = {}

    def get(self, question: Hashable, ask: Callable[[], T]) -> T:
        """The answer of the first `ask` for this question, or the error it raised."""
        with self._lock:
            future = self._answers.get(question)
            mine = future is None
            if future is None:
                future = self._answers[question] = Future()
        if mine:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
        failure = future.exception()
        if failure is not None:
            # Each waiting thread would otherwise lengthen the one traceback.
            raise failure.with_traceback(None)
        return cast(T, future.result())
