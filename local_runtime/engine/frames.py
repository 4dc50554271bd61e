"""Owns the reading of log streams: the engine's frames, or a terminal's raw bytes, into lines; no I/O.

The engine was asked for timestamps, so every part it sends begins with one. It cuts lines of more than 16 KiB into
parts, all with the time of the first. How such a line ends depends on the log driver: `json-file` ends its last part
with a newline, `local` ends it with nothing.
"""

from __future__ import annotations

import re
from typing import Protocol

from chalicelib.domain.log import STDERR, STDOUT, LogLine
from chalicelib.ports.engine import EngineRejected

PART = 16 * 1024
"""The most the engine's copier puts into one part of a line."""
LONGEST_LINE = 4 * 1024 * 1024
"""A longer line is given in pieces of this size."""
LONGEST_FRAME = 64 * 1024 * 1024

_HEADER = 8
_TIME_LENGTH = len("2026-03-18T19:18:38.485902360Z")
_SHORTEST = _TIME_LENGTH + len(" \n")
_NEWLINE, _SPACE, _DASH, _T = b"\n", b" ", ord("-"), ord("T")
_SYSTEM_ERROR = 3
_NAMES = {0: STDOUT, 1: STDOUT, 2: STDERR}
_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d) "
_STARTS_WITH_TIME = re.compile(_TIME)
_NEXT_ENTRY = re.compile(rb"\r(?=" + _TIME + rb")")


class LineReader(Protocol):
    """Turns bytes, cut anywhere, into lines."""

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines these bytes complete."""
        ...

    def finish(self) -> list[LogLine]:
        """What is left when the stream has ended."""
        ...


class _Lines:
    """Joins the parts of one stream's lines."""

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._time = b""
        self.open: list[bytes] = []
        """The parts of a line that has not ended."""
        self._open_bytes = 0

    def add(self, time: bytes, text: bytes, ended: bool, lines: list[LogLine]) -> None:
        """One part. It stays open only when nothing ended it and it is as long as parts get."""
        if self.open:
            if time == self._time:
                self._hold(text, lines)
                if ended or len(text) < PART:
                    self.flush(lines)
                return
            self.flush(lines)
        if ended or len(text) < PART:
            lines.append(_line(self._stream, time, text))
            return
        self._time = time
        self._hold(text, lines)

    def flush(self, lines: list[LogLine]) -> None:
        """The line that is open ends here."""
        if self.open:
            lines.append(_line(self._stream, self._time, b"".join(self.open)))
            self.open, self._open_bytes = [], 0

    def _hold(self, text: bytes, lines: list[LogLine]) -> None:
        if self._open_bytes + len(text) > LONGEST_LINE:
            self.flush(lines)
        self.open.append(text)
        self._open_bytes += len(text)


class Frames:
    """Reads the multiplexed stream of a container without a terminal: 8 bytes of header, then one part of a line."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines = {name: _Lines(name) for name in (STDOUT, STDERR)}
        self._kinds = [self._lines[_NAMES[kind]] for kind in sorted(_NAMES)]

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines these bytes complete. Raises EngineRejected for what is no frame, or the engine's own complaint."""
        if self._rest:
            data = self._rest + data
        lines: list[LogLine] = []
        open_lines, make = self._kinds, tuple.__new__
        position, size = 0, len(data)
        while size - position >= _HEADER:
            length = int.from_bytes(data[position + 4 : position + _HEADER], "big")
            kind = data[position]
            end = position + _HEADER + length
            # One whole line with its time: nearly every frame is, so it is taken without another look at its bytes.
            if (
                _SHORTEST <= length <= PART
                and 0 < kind < _SYSTEM_ERROR
                and data.find(_NEWLINE, position + _HEADER, end) == end - 1
                and data.find(_SPACE, position + _HEADER, end) == position + _HEADER + _TIME_LENGTH
                and data[position + _HEADER + 4] == _DASH
                and data[position + _HEADER + 10] == _T
                and not open_lines[kind].open
            ):
                text = data[position + _HEADER : end - 1].decode("utf-8", "replace")
                if text[_TIME_LENGTH] == " ":
                    time, line = text[:_TIME_LENGTH], text[_TIME_LENGTH + 1 :]
                    lines.append(make(LogLine, (_NAMES[kind], time, line.rstrip("\r"))))
                    position = end
                    continue
            if kind > _SYSTEM_ERROR or length > LONGEST_FRAME:
                raise EngineRejected(500, "the engine's log stream cannot be read: it sent something that is no frame")
            if end > size:
                break
            payload = data[position + _HEADER : end]
            position = end
            if kind == _SYSTEM_ERROR:
                raise EngineRejected(500, payload.decode("utf-8", "replace").strip())
            self._take(_NAMES[kind], payload, lines)
        self._rest = data[position:]
        return lines

    def finish(self) -> list[LogLine]:
        """The lines that were still open."""
        lines: list[LogLine] = []
        for one in self._lines.values():
            one.flush(lines)
        return lines

    def _take(self, stream: str, payload: bytes, lines: list[LogLine]) -> None:
        whole = self._lines[stream]
        first, newline, rest = payload.partition(b"\n")
        whole.add(*_stamped(first), bool(newline), lines)
        while rest:
            first, newline, rest = rest.partition(b"\n")
            whole.add(*_stamped(first), bool(newline), lines)


class Terminal:
    """Reads the raw stream of a container with a terminal: no frames, so parts are told by their length."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines = _Lines(STDOUT)
        self._continues = b""
        """The time of the line whose next part comes now; nothing at the beginning of a line."""

    def feed(self, data: bytes) -> list[LogLine]:
        """The lines these bytes complete."""
        self._rest += data
        lines: list[LogLine] = []
        position = 0
        while (end := self._part(position, lines)) is not None:
            position = end
        self._rest = self._rest[position:]
        return lines

    def finish(self) -> list[LogLine]:
        """The lines that were still open."""
        lines: list[LogLine] = []
        if self._rest:
            self._lines.add(*_stamped(self._rest), True, lines)
            self._rest = b""
        self._lines.flush(lines)
        return lines

    def _part(self, position: int, lines: list[LogLine]) -> int | None:
        """Take one part from there and say where the next begins; None when it is not all here yet."""
        found = _STARTS_WITH_TIME.match(self._rest, position)
        begin = found.end() if found else position
        limit = begin + PART
        newline = self._rest.find(b"\n", begin, limit + 1)
        if newline < 0 and len(self._rest) <= limit:
            return None
        time = found[0][:-1] if found else b""
        end, ended = (newline, True) if newline >= 0 else (limit, False)
        if self._continues and time == self._continues:
            # Under the `local` driver a line of several parts ends without a newline: the next entry just begins.
            unfinished = _NEXT_ENTRY.search(self._rest, begin, end)
            if unfinished:
                self._lines.add(time, self._rest[begin : unfinished.start()], True, lines)
                self._continues = b""
                return unfinished.end()
        self._lines.add(time, self._rest[begin:end], ended, lines)
        self._continues = b"" if ended else time
        return end + 1 if ended else end


def _stamped(part: bytes) -> tuple[bytes, bytes]:
    """The time a part begins with, and its text."""
    time, space, text = part.partition(b" ")
    if space and 20 <= len(time) <= 35 and time[4] == 45 and time[10] == 84:
        return time, text
    return b"", part


def _line(stream: str, time: bytes, text: bytes) -> LogLine:
    return LogLine(stream, time.decode("ascii", "replace"), text.rstrip(b"\r").decode("utf-8", "replace"))
