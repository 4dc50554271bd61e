"""One log request to the engine: what it asks for, and its body out of HTTP's chunks wherever they are cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.log import EVERY_LINE, LogQuery
from local_runtime.engine.log_stream import asked_of, pieces


@dataclass
class Network:
    """Gives what has arrived, a read at a time, then the end of the connection."""

    arriving: list[bytes] = field(default_factory=list)

    def read1(self, _most: int) -> bytes:
        return self.arriving.pop(0) if self.arriving else b""


def body_of(arriving: list[bytes], encoding: str = "chunked") -> bytes:
    raw = SimpleNamespace(_fp=SimpleNamespace(fp=Network([one for one in arriving if one])))
    answer: Any = SimpleNamespace(raw=raw, headers={"Transfer-Encoding": encoding} if encoding else {})
    return b"".join(pieces(answer))


def chunked(chunks: list[bytes]) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in [*chunks, b""])


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(min(place, len(data)) for place in places), len(data)]
    return [data[before:end] for before, end in zip([0, *ends], ends, strict=False)]


CHUNKS = st.lists(
    st.one_of(st.binary(min_size=1, max_size=40), st.sampled_from([b"x" * 20_000, b"\r\n", b"0\r\n\r\n", b"5\r\nabc"]))
)


@given(CHUNKS, st.lists(st.integers(0, 50_000), max_size=12))
def test_a_body_is_whole_wherever_the_network_cuts_its_chunks(chunks: list[bytes], places: list[int]) -> None:
    assert body_of(cut(chunked(chunks), places)) == b"".join(chunks)


@given(CHUNKS.filter(bool))
def test_a_body_of_single_bytes_is_whole(chunks: list[bytes]) -> None:
    data = chunked([chunk[:300] for chunk in chunks])
    assert body_of(cut(data, list(range(len(data))))) == b"".join(chunk[:300] for chunk in chunks)


def test_a_body_that_breaks_off_is_told_from_one_that_ends() -> None:
    whole = chunked([b"one", b"two"])
    for length in range(len(whole) - 4):
        with pytest.raises(ConnectionError):
            body_of([whole[:length]])
    assert body_of([b"as ", b"it is"], encoding="") == b"as it is"


@given(st.datetimes(datetime(1970, 1, 2), datetime(9000, 1, 1)))
def test_no_line_is_missed_because_a_moment_was_rounded(moment: datetime) -> None:
    asked = str(asked_of(LogQuery(since=moment.replace(tzinfo=UTC)))["since"])
    seconds, _, fraction = asked.partition(".")
    exact = datetime(1970, 1, 1) + timedelta(seconds=int(seconds), microseconds=int(fraction))
    assert (exact, len(fraction)) == (moment, 6)


def test_the_whole_log_is_asked_for_by_a_word() -> None:
    assert asked_of(LogQuery(tail=EVERY_LINE))["tail"] == "all"
    assert asked_of(LogQuery(tail=7, stderr=False, follow=True)) == {
        "stdout": 1,
        "stderr": 0,
        "follow": 1,
        "tail": "7",
        "timestamps": 1,
    }
