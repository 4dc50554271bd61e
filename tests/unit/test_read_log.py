"""A log as a file: packed before it travels, and bounded."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.log import MOST_BYTES, LogLine, LogQuery
from local_runtime.executor.observing.logs import TooLarge, read_log
from tests.fakes.services import NOON, StillClock


@dataclass
class Stream:
    """An engine whose log is these lines, time and again; it notes whether it was closed."""

    line: str
    times: int
    closed: bool = False

    def logs(self, _container_id: str, _query: LogQuery) -> Stream:
        return self

    def __iter__(self) -> Iterator[list[LogLine]]:
        return iter([[LogLine("stdout", "", self.line)]] * self.times)

    def close(self) -> None:
        self.closed = True


@dataclass
class Results:
    stored: list[bytes] = field(default_factory=list)

    def put(self, _agent: str, _command_id: str, data: bytes, _now: object) -> int:
        self.stored.append(data)
        return 1


def read(stream: Stream, results: Results) -> dict[str, object]:
    command = Command("one", "attic", CommandKind.LOGS, NOON, {"query": LogQuery().arguments(), "timestamps": False})
    return read_log(command, "a" * 64, stream, results, StillClock())  # type: ignore[arg-type]


def test_a_log_is_stored_packed() -> None:
    stream, results = Stream("the same line", 10_000), Results()
    assert read(stream, results) == {"pieces": 1}
    (packed,) = results.stored
    assert gzip.decompress(packed) == b"the same line\n" * 10_000
    assert len(packed) < 2_000
    assert stream.closed


def test_a_log_that_would_fill_the_memory_is_refused() -> None:
    stream, results = Stream("x" * (1 << 20), (MOST_BYTES >> 20) + 1), Results()
    with pytest.raises(TooLarge, match="Ask for fewer lines"):
        read(stream, results)
    assert (results.stored, stream.closed) == ([], True)
