"""Log streams into lines: frames and terminals, cut anywhere, with the engine's own splitting of long lines undone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.log import LogLine
from chalicelib.ports.engine import EngineRejected
from local_runtime.engine.frames import LONGEST_LINE, PART, Frames, LineReader, Terminal

NAMES = {1: "stdout", 2: "stderr"}


def time_of(number: int) -> str:
    return f"2026-03-18T19:18:38.{number:09d}Z"


def frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind, 0, 0, 0]) + len(payload).to_bytes(4, "big") + payload


def parts_of(text: bytes, time: str, *, last_newline: bool = True) -> list[bytes]:
    """A line as the engine's copier hands it on: parts of 16 KiB, all with the time of the first."""
    parts = [text[at : at + PART] for at in range(0, len(text), PART)] or [b""]
    if len(parts[-1]) == PART:
        parts.append(b"")
    ends = [b""] * (len(parts) - 1) + [b"\n" if last_newline else b""]
    return [f"{time} ".encode() + part + end for part, end in zip(parts, ends, strict=True)]


def read(reader: LineReader, data: bytes, cuts: list[int]) -> list[LogLine]:
    found: list[LogLine] = []
    before = 0
    for cut in [*sorted(min(cut, len(data)) for cut in cuts), len(data)]:
        found += reader.feed(data[before:cut])
        before = cut
    return found + reader.finish()


TEXTS = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=40).map(str.encode),
    st.sampled_from(
        [b"", b"\xf0\x9f\x90\xb3" * 5000, b"x" * PART, b"y" * (2 * PART), b"\x1b[31mred\x1b[0m", b"z" * 40000]
    ),
).map(lambda text: text.replace(b"\n", b"").rstrip(b"\r"))
LINES = st.lists(st.tuples(st.sampled_from([1, 2]), TEXTS), max_size=8)
CUTS = st.lists(st.integers(0, 150_000), max_size=12)


@given(LINES, CUTS, st.sampled_from(["json-file", "local"]))
def test_frames_give_every_line_once_wherever_they_are_cut(
    lines: list[tuple[int, bytes]], cuts: list[int], driver: str
) -> None:
    # `local` ends the last part of a long line with nothing; short lines end with a newline under every driver.
    data = b"".join(
        frame(kind, part)
        for number, (kind, text) in enumerate(lines)
        for part in parts_of(text, time_of(number), last_newline=driver == "json-file" or len(text) < PART)
    )
    wanted = [LogLine(NAMES[kind], time_of(n), text.decode("utf-8", "replace")) for n, (kind, text) in enumerate(lines)]
    found = read(Frames(), data, cuts)
    for name in NAMES.values():
        assert [line for line in found if line.stream == name] == [line for line in wanted if line.stream == name]


@given(st.lists(TEXTS, max_size=8), CUTS)
def test_a_terminal_gives_every_line_once_wherever_it_is_cut(texts: list[bytes], cuts: list[int]) -> None:
    data = b""
    for number, text in enumerate(texts):
        parts = parts_of(text + b"\r", time_of(number))
        data += b"".join(parts)
    wanted = [LogLine("stdout", time_of(n), text.decode("utf-8", "replace")) for n, text in enumerate(texts)]
    assert read(Terminal(), data, cuts) == wanted


def test_a_long_line_of_a_terminal_under_the_local_driver_ends_where_the_next_begins() -> None:
    data = b"".join(parts_of(b"x" * 40000 + b"\r", time_of(1), last_newline=False)) + f"{time_of(2)} next\r\n".encode()
    for step in (1, 7, 20000, len(data)):
        cuts = list(range(0, len(data), step)) if step > 1 else [16384, 16415, 40090, 40094, 40095, 40100]
        assert [(line.ts, len(line.line)) for line in read(Terminal(), data, cuts)] == [
            (time_of(1), 40000),
            (time_of(2), 4),
        ]


def test_the_two_streams_are_put_together_apart() -> None:
    out = parts_of(b"o" * 20000, time_of(1))
    err = parts_of(b"e" * 20000, time_of(2))
    data = frame(1, out[0]) + frame(2, err[0]) + frame(1, out[1]) + frame(2, err[1])
    assert Frames().feed(data) == [
        LogLine("stdout", time_of(1), "o" * 20000),
        LogLine("stderr", time_of(2), "e" * 20000),
    ]


def test_a_short_line_is_given_at_once() -> None:
    reader = Frames()
    assert reader.feed(frame(1, f"{time_of(1)} hello\n".encode())) == [LogLine("stdout", time_of(1), "hello")]


def test_a_line_without_an_end_is_given_when_the_stream_ends() -> None:
    reader = Frames()
    (part,) = (f"{time_of(1)} ".encode() + b"p" * PART,)
    assert reader.feed(frame(1, part)) == []
    assert reader.finish() == [LogLine("stdout", time_of(1), "p" * PART)]


def test_several_lines_in_one_frame_have_each_their_time() -> None:
    payload = f"{time_of(1)} one\n{time_of(2)} two\n".encode()
    assert Frames().feed(frame(2, payload)) == [
        LogLine("stderr", time_of(1), "one"),
        LogLine("stderr", time_of(2), "two"),
    ]


def test_a_line_without_a_time_keeps_its_text() -> None:
    assert Frames().feed(frame(1, b"no time here\n")) == [LogLine("stdout", "", "no time here")]


def test_a_line_that_never_ends_does_not_fill_the_memory() -> None:
    reader = Frames()
    part = frame(1, f"{time_of(1)} ".encode() + b"e" * PART)
    lines = [line for _ in range(2 * LONGEST_LINE // PART) for line in reader.feed(part)]
    assert lines and all(len(line.line) <= LONGEST_LINE for line in lines)


def test_the_engines_own_complaint_is_an_error() -> None:
    with pytest.raises(EngineRejected, match="error grabbing logs"):
        Frames().feed(frame(3, b"error grabbing logs: invalid character"))


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(EngineRejected):
        Frames().feed(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("payload", "ts", "line"),
    [
        (b"2026-03-18T19:18:38.485902360Z hello\n", "2026-03-18T19:18:38.485902360Z", "hello"),
        (b"2026-03-18T19:18:38.485902360Z hello\r\n", "2026-03-18T19:18:38.485902360Z", "hello"),
        (b"2026-03-18T19:18:38.485902360Z \n", "2026-03-18T19:18:38.485902360Z", ""),
        (b"2026-03-18T19:18:38.485Z a b 1 Z here\n", "2026-03-18T19:18:38.485Z", "a b 1 Z here"),
        (b"2026-03-18T19:18:38.48590236+01:00 far\n", "2026-03-18T19:18:38.48590236+01:00", "far"),
        (b"2026-03-18T19:18:38.485902360Z \xff\xf0\n", "2026-03-18T19:18:38.485902360Z", "\ufffd\ufffd"),
        (b"no time at all, and thirty characters \n", "", "no time at all, and thirty characters "),
    ],
)
def test_a_frame_of_one_whole_line_is_read_with_whatever_time_it_has(payload: bytes, ts: str, line: str) -> None:
    frame = b"\x02\0\0\0" + len(payload).to_bytes(4, "big") + payload
    assert Frames().feed(frame) == [("stderr", ts, line)]
    slowly = Frames()
    assert [one for byte in frame for one in slowly.feed(bytes([byte]))] == [("stderr", ts, line)]


def test_a_short_line_of_one_stream_does_not_end_an_open_one_of_the_other() -> None:
    time = b"2026-03-18T19:18:38.485902360Z "
    parts = [(1, time + b"x" * PART), (2, time + b"between\n"), (1, time + b"end\n")]
    data = b"".join(bytes([kind, 0, 0, 0]) + len(text).to_bytes(4, "big") + text for kind, text in parts)
    found = Frames().feed(data)
    assert [(one.stream, len(one.line)) for one in found] == [("stderr", 7), ("stdout", PART + 3)]
