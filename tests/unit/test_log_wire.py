"""What a log request asks for, and what its frames look like."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chalicelib.domain.log import LogLine, LogQuery, download_name, text
from chalicelib.wire import log as wire

LINE = LogLine("stderr", "2026-03-18T19:18:38.485902360Z", 'say "é" \x1b[31m\ud83d')


@pytest.mark.parametrize(
    ("asked", "tail"), [({}, 1000), ({"tail": ["20"]}, 20), ({"tail": ["all"]}, 1000), ({"tail": ["99999"]}, 10000)]
)
def test_a_download_has_a_bounded_tail(asked: dict[str, list[str]], tail: int) -> None:
    query, timestamps = wire.download(asked)
    assert (query.tail, query.follow, timestamps) == (tail, False, True)


def test_a_stream_follows_and_begins_with_a_hundred_lines() -> None:
    assert wire.stream({}) == LogQuery(tail=100, follow=True)
    assert wire.stream({"tail": ["-5"], "follow": ["false"], "stdout": ["false"]}) == LogQuery(stdout=False, tail=100)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("1700000000", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        (" 2023-11-14T22:13:20Z ", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14T23:13:20.123456789+01:00", datetime(2023, 11, 14, 22, 13, 20, 123456, tzinfo=UTC)),
        ("0", None),
        ("yesterday", None),
        ("", None),
        ("1700000000000", datetime(9987, 4, 2, 17, 46, 40, tzinfo=UTC)),
        ("9" * 20, datetime(9987, 4, 2, 17, 46, 40, tzinfo=UTC)),
        ("9" * 21, None),
        ("2023-11-14T23:13:20 01:00", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14 22:13:20", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14", datetime(2023, 11, 14, tzinfo=UTC)),
        ("0001-01-01T00:00:00+02:00", None),
        ("9999-12-31T23:59:59-02:00", None),
        ("-5", None),
        ("1969-01-01T00:00:00Z", None),
    ],
)
def test_since_is_seconds_or_iso_8601(given: str, meant: datetime | None) -> None:
    assert wire.since(given) == meant


def test_a_query_travels_as_arguments() -> None:
    query = wire.stream({"since": ["1700000000.25"], "tail": ["7"], "stderr": ["false"]})
    assert LogQuery.of(json.loads(json.dumps(query.arguments()))) == query


def test_a_frame_is_one_line_of_json() -> None:
    good = LINE._replace(line='say "é" \x1b[31m\n')
    (frame,) = wire.frames([good]).splitlines()
    assert json.loads(frame) == {
        "type": "stderr",
        "ts": "2026-03-18T19:18:38.485902360Z",
        "displayTs": "[19:18:38.485]",
        "line": good.line,
    }


def test_a_line_too_large_for_a_message_comes_in_pieces() -> None:
    whole = "\x01é" * 50_000
    (frame,) = wire.frames([LogLine("stdout", "", whole)]).splitlines()
    pieces = list(wire.pieces(frame, 120_000))
    assert all(len(piece) <= 120_000 for piece in pieces)
    assert "".join(json.loads(piece)["line"] for piece in pieces) == whole


def test_a_farewell_is_told_from_a_line() -> None:
    assert wire.read_farewell(wire.farewell(4001, 'not "running"')) == (4001, 'not "running"')
    assert wire.read_farewell(wire.frames([LogLine("stdout", "", '{"type":"close",')])) is None


def test_a_file_has_times_only_when_they_are_wanted() -> None:
    lines = [LogLine("stdout", "T", "a"), LogLine("stderr", "", "b")]
    assert text(lines, timestamps=True) == "T a\nb\n"
    assert text(lines, timestamps=False) == "a\nb\n"
    assert (download_name("a/b ü.c-d_"), download_name("")) == ("a_b__.c-d_-logs.txt", "container-logs.txt")
