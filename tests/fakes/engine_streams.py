"""What the fake engine gives to be read bit by bit: events and logs."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

from chalicelib.domain.log import LogLine
from chalicelib.ports.engine import Event


class FakeLogStream(Iterator[Sequence[LogLine]]):
    """The LogStream of the port over lines that have been written."""

    def __init__(self, lines: Sequence[LogLine]) -> None:
        self._batches = iter([lines] if lines else [])

    def __next__(self) -> Sequence[LogLine]:
        return next(self._batches)

    def close(self) -> None:
        self._batches = iter([])


class FakeEventStream(Iterator[Event]):
    """The EventStream of the port; waits for the next event until it is closed."""

    def __init__(self, events: list[Event], changed: threading.Condition, position: int) -> None:
        self._events = events
        self._changed = changed
        self._position = position
        self._closed = False

    def __next__(self) -> Event:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._position < len(self._events))
            if self._closed:
                raise StopIteration
            self._position += 1
            return self._events[self._position - 1]

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
