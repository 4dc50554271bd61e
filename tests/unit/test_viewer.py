"""What a viewer of a log is sent: its history and the running stream without a seam, and an end in every case."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.ports.connections import Gone
from chalicelib.wire import log as wire
from local_runtime.executor.observing import viewer as viewer_module
from local_runtime.executor.observing.overlap import Overlap
from local_runtime.executor.observing.viewer import Batch, Viewer

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
        self.deaf: list[Exception] = []
        """What calls that end a connection raise."""

    def encode(self, lines: Iterable[LogLine]) -> bytes:
        return wire.frames(lines)

    def post(self, connection: Connection, frames: bytes, number: int) -> None:
        self._raise()
        self.sent.append(frames)
        self.numbers.append(number)

    def require(self, connection: Connection) -> None:
        self._raise()

    def close(self, connection: Connection, code: int, reason: str) -> None:
        if self.deaf:
            raise self.deaf.pop()
        self.closed.append((code, reason))

    def _raise(self) -> None:
        if self.trouble:
            raise self.trouble.pop(0)


def served(
    recorder: Recorder,
    query: LogQuery = LogQuery(),  # noqa: B008
    connection: Connection = HERE,
) -> tuple[Viewer, threading.Thread]:
    viewer = Viewer(connection, query, recorder, "web")
    thread = threading.Thread(target=viewer.run, daemon=True)
    thread.start()
    return viewer, thread


def within(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


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


def test_frames_are_made_once_for_all_viewers_as_soon_as_nobodys_history_reaches_so_far() -> None:
    made: list[bytes] = []

    class Counting(Recorder):
        def encode(self, lines: Iterable[LogLine]) -> bytes:
            made.append(super().encode(lines))
            return made[-1]

    recorder, overlaps = Counting(), [Overlap() for _ in range(50)]
    for overlap in overlaps:
        overlap.had([line(1), line(1, "stderr")])
    for number, encodings in ((1, 50), (2, 50), (3, 1), (4, 1)):
        batch = Batch([line(number)], recorder)
        made.clear()
        sent = {batch.frames(LogQuery(), overlap) for overlap in overlaps}
        assert sent == ({b""} if number == 1 else {wire.frames([line(number)])})
        assert len(made) == encodings
    assert Batch([line(1, "stderr")], recorder).frames(LogQuery(), overlaps[0]) == b""


def test_a_connection_that_is_not_open_yet_is_waited_for() -> None:
    recorder = Recorder()
    recorder.trouble = [Gone("not yet"), Gone("not yet")]
    viewer, thread = served(recorder)
    viewer.offer(Batch([line(1)], recorder), 100)
    viewer.finish(1000, "")
    thread.join(5)
    assert len(recorder.sent) == 1


@pytest.mark.parametrize(
    ("trouble", "closed"), [(Gone("left"), []), (Unavailable("no answer"), [(1011, "The connection broke")])]
)
def test_a_viewer_that_has_left_or_whose_host_is_dead_ends_the_thread(
    trouble: Exception, closed: list[tuple[int, str]]
) -> None:
    recorder = Recorder()
    viewer, thread = served(recorder)
    viewer.offer(Batch([line(1)], recorder), 100)
    within(lambda: bool(recorder.sent))
    recorder.trouble = [trouble]
    viewer.offer(Batch([line(2)], recorder), 100)
    thread.join(5)
    assert not thread.is_alive()
    assert viewer.over
    within(lambda: recorder.closed == closed)


def test_a_connection_that_api_gateway_would_keep_open_is_ended_as_soon_as_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(viewer_module, "PAUSES", (0.01,) * 9)
    recorder = Recorder()
    viewer, thread = served(recorder, connection=Connection("c", "https://gateway.test/prod"))
    viewer.offer(Batch([line(1)], recorder), 100)
    within(lambda: bool(recorder.sent))
    recorder.deaf = [Unavailable("throttled")] * 3
    recorder.trouble = [Unavailable("throttled")]
    viewer.offer(Batch([line(2)], recorder), 100)
    thread.join(5)
    within(lambda: recorder.closed == [(1011, "The connection broke")])
    assert recorder.deaf == []


def test_a_connection_to_which_others_send_as_well_is_left_open() -> None:
    recorder = Recorder()
    recorder.trouble = [Unavailable("no answer")]
    viewer = Viewer(HERE, LogQuery(), recorder, "the executor's own log", shared=True)
    viewer.offer(Batch([line(1)], recorder), 100)
    before = set(threading.enumerate())
    viewer.run()
    assert set(threading.enumerate()) <= before
    assert (viewer.over, recorder.closed) == (True, [])


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
