"""What may be asked of a container's log, and its lines as frames of the stream."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from chalicelib.domain.log import MOST_LINES, STDOUT, LogLine, LogQuery
from chalicelib.wire import json, moment
from chalicelib.wire.query import Query, first, flag, number

DOWNLOAD_TAIL = 1000
STREAM_TAIL = 100

_SECONDS = re.compile(r"\d{1,20}(\.\d{1,9})?", re.ASCII)
_EPOCH = datetime.fromtimestamp(0, UTC)
_MOST_SECONDS = 253_000_000_000
"""In the year 9987. What comes later, such as milliseconds, is as far away: nothing is logged after it."""
_HEADS = {stream: b'{"type":"%s","ts":' % stream.encode() for stream in ("stdout", "stderr")}


def download(query: Query) -> tuple[LogQuery, bool]:
    """What a download is asked for, and whether with times. What cannot be read counts as not given."""
    tail = number(query, "tail", DOWNLOAD_TAIL, MOST_LINES)
    return _query(query, tail, follow=False), flag(query, "timestamps", default=True)


def stream(query: Query) -> LogQuery:
    """What a stream is asked for. What cannot be read counts as not given."""
    negative = (first(query, "tail") or "").strip().startswith("-")
    tail = STREAM_TAIL if negative else number(query, "tail", STREAM_TAIL, MOST_LINES)
    return _query(query, tail, follow=flag(query, "follow", default=True))


def since(text: str | None) -> datetime | None:
    """The moment of a number of seconds since 1970 or of an ISO 8601 text; nothing for 0 and for anything else."""
    text = (text or "").strip()
    try:
        if _SECONDS.fullmatch(text):
            return _EPOCH + timedelta(seconds=min(float(text), _MOST_SECONDS)) if float(text) else None
        # The `+` of a zone stands for a space in a query, unless it was encoded.
        found = moment.read(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        return None
    return found if found > _EPOCH else None


def frames(lines: Iterable[LogLine]) -> bytes:
    """One JSON object per line, each ended by a newline.

    `displayTs` is the time of day in UTC: clients that show it expect it beside the whole time.
    """
    dumps = json.dumps
    return b"".join(
        b'%s%s,"displayTs":"[%s]","line":%s}\n' % (_HEADS[name], dumps(ts), _time_of_day(ts), dumps(line))
        for name, ts, line in lines
    )


def _time_of_day(ts: str) -> bytes:
    """`19:18:38.485` of `2026-03-18T19:18:38.485902360Z`."""
    return ts[11:23].encode("ascii", "replace")


def _query(query: Query, tail: int, *, follow: bool) -> LogQuery:
    return LogQuery(
        stdout=flag(query, STDOUT, default=True),
        stderr=flag(query, "stderr", default=True),
        tail=tail,
        since=since(first(query, "since")),
        follow=follow,
    )


NORMAL_CLOSE = 1000
_FAREWELL = b'{"type":"close",'


def farewell(code: int, reason: str) -> bytes:
    """The last frame of a stream, for the host that closes the connection."""
    return _FAREWELL + b'"code":%d,"reason":%s}' % (code, json.dumps(reason))


def read_farewell(frame: bytes) -> tuple[int, str] | None:
    """Code and reason, if the frame is such a last one."""
    if not frame.startswith(_FAREWELL):
        return None
    said = json.loads(frame)
    return int(said["code"]), str(said["reason"])


def pieces(frame: bytes, most: int) -> Iterator[bytes]:
    """A frame too large for one message as several, each with a part of the line and the time of the whole."""
    whole = json.loads(frame)
    line: str = whole["line"]
    # A character takes up to six bytes as JSON.
    step = (most - 500) // 6
    for start in range(0, len(line), step):
        yield json.dumps({**whole, "line": line[start : start + step]})
