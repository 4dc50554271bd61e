"""What a viewer of a log is sent: its history and the running stream without a seam, and an end in every case."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.ports.connections import Gone
from chalicelib.wire import log as wire
from local_runtime.executor.observing.viewer import Batch, Overlap, Viewer

HERE = Connection("c", "http://here", many=True)


def line(number: int, stream: str = "stdout", text: str = "") -> LogLine:
    return LogLine(stream, f"2026-03-18T19:18:38.{number:09d}".rstrip("0").rstrip(".") + "Z", text or f"line {number}")


class Recorder:
    """Connections that keep what they are sent; `trouble` is raised by the next calls."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.numbers: list[int] = []
        self.closed: list[tuple[int, str]] = []
        self.trouble: list[Exception] = []

    def encode(self, lines: Iterable[LogLine]) -> bytes:
        return wire.frames(lines)

    def post(self, connection: Connection, frames: bytes, number: int) -> None:
        self._raise()
        self.sent.append(frames)
        self.numbers.append(number)

    def require(self, connection: Connection) -> None:
        self._raise()

    def close(self, connection: Connection, code: int, reason: str) -> None:
        self.closed.append((code, reason))

    def _raise(self) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


def served(recorder: Recorder, query: LogQuery = LogQuery()) -> tuple[Viewer, threading.Thread]:  # noqa: B008
    viewer = Viewer(HERE, query, recorder, "web")
    thread = threading.Thread(target=viewer.run, daemon=True)
    thread.start()
    return viewer, thread


@given(st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(1, 6)), max_size=30), st.data())
def test_history_and_stream_meet_without_gap_or_repetition(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    # Times never go back within a stream, may stand still, and are out of order between the two.
    clocks = {"stdout": 5, "stderr": 3}
    lines = []
    for index, (stream, step) in enumerate(steps):
        clocks[stream] += step // 3
        lines.append(line(clocks[stream], stream, f"text {index}"))
    joined = data.draw(st.integers(0, len(lines)))
    read = data.draw(st.integers(joined, len(lines)))
    begin = data.draw(st.integers(0, joined))
    overlap = Overlap()
    history = lines[begin:read]
    overlap.had(history)
    found = history + overlap.new(lines[joined:])
    # What the history did not reach back to is not wanted either, unless the stream brings it.
    assert [one for one in found if one in lines[begin:]] == found
    for stream in clocks:
        assert [one for one in found if one.stream == stream] == [one for one in lines[begin:] if one.stream == stream]


def test_lines_are_numbered_sent_in_order_and_followed_by_the_end() -> None:
    recorder = Recorder()
    viewer, thread = served(recorder)
    for number in range(50):
        viewer.offer(Batch([line(number)], recorder), 100)
    viewer.finish(1000, "End of the log")
    thread.join(5)
    assert b"".join(recorder.sent) == wire.frames(line(number) for number in range(50))
    assert recorder.numbers == list(range(1, len(recorder.sent) + 1))
    assert recorder.closed == [(1000, "End of the log")]
    assert viewer.backlog == 0


def test_a_viewer_gets_only_the_stream_it_asked_for() -> None:
    recorder = Recorder()
    viewer, thread = served(recorder, LogQuery(stdout=False))
    viewer.offer(Batch([line(1), line(2, "stderr"), line(3)], recorder), 300)
    viewer.finish(1000, "")
    thread.join(5)
    assert b"".join(recorder.sent) == wire.frames([line(2, "stderr")])


def test_a_connection_that_is_not_open_yet_is_waited_for() -> None:
    recorder = Recorder()
    recorder.trouble = [Gone("not yet"), Gone("not yet")]
    viewer, thread = served(recorder)
    viewer.offer(Batch([line(1)], recorder), 100)
    viewer.finish(1000, "")
    thread.join(5)
    assert len(recorder.sent) == 1


def test_a_viewer_that_has_left_or_whose_host_is_dead_ends_the_thread() -> None:
    for trouble in (Gone("left"), Unavailable("no answer")):
        recorder = Recorder()
        viewer, thread = served(recorder)
        viewer.offer(Batch([line(1)], recorder), 100)
        deadline = time.monotonic() + 5
        while not recorder.sent:
            assert time.monotonic() < deadline
        recorder.trouble = [trouble]
        viewer.offer(Batch([line(2)], recorder), 100)
        thread.join(5)
        assert not thread.is_alive()
        assert viewer.over
        assert recorder.closed == []


def test_a_viewer_that_is_dropped_keeps_nothing_waiting() -> None:
    recorder = Recorder()
    viewer = Viewer(HERE, LogQuery(), recorder, "web")
    viewer.offer(Batch([line(1)], recorder), 5_000_000)
    viewer.drop("too slow")
    viewer.offer(Batch([line(2)], recorder), 100)
    viewer.run()
    deadline = time.monotonic() + 5
    while not recorder.closed:
        assert time.monotonic() < deadline
    assert (recorder.sent, viewer.backlog, recorder.closed) == ([], 0, [(1013, "too slow")])


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), st.integers(0, 4), st.sampled_from("ab"))), max_size=5
    )
)
def test_what_was_had_is_remembered_the_same_in_one_batch_or_in_many(batches: list[list[tuple[str, int, str]]]) -> None:
    lines = [[LogLine(stream, f"2026-01-01T00:00:0{ts}Z", line) for stream, ts, line in batch] for batch in batches]
    one_by_one, at_once = Overlap(), Overlap()
    for line in (line for batch in lines for line in batch):
        one_by_one.had([line])
    for batch in lines:
        at_once.had(batch)
    later = [
        LogLine(name, f"2026-01-01T00:00:0{ts}Z", text)
        for name in ("stdout", "stderr")
        for ts in range(5)
        for text in "aab"
    ]
    assert at_once.latest == one_by_one.latest
    assert at_once.new(later) == one_by_one.new(later)
