"""Owns one log request to the engine: its body as it arrives, in large pieces, and its end told from its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import requests
import urllib3
from docker.types import CancellableStream

from chalicelib.domain.log import EVERY_LINE, LogLine, LogQuery
from chalicelib.ports.engine import EngineUnavailable
from local_runtime.engine.frames import LineReader

READ_SIZE = 256 * 1024
_LONGEST_HEAD = 18
_EPOCH = datetime.fromtimestamp(0, UTC)


class DockerLogStream(Iterator[Sequence[LogLine]]):
    """The LogStream of the port over one streaming answer of the daemon."""

    def __init__(self, answer: requests.Response, reader: LineReader, release: Callable[[], None]) -> None:
        self._stream = CancellableStream(iter(()), answer)
        self._pieces = pieces(answer)
        self._reader = reader
        self._release = release
        self._closed = False
        self._ended = False

    def __next__(self) -> Sequence[LogLine]:
        while not (self._closed or self._ended):
            try:
                lines = self._reader.feed(next(self._pieces))
            except StopIteration:
                self._ended = True
                lines = self._reader.finish()
            except (urllib3.exceptions.HTTPError, OSError, ValueError, AttributeError) as error:
                # Reading from a connection that `close` has just torn down fails in many ways; all are the end.
                if self._closed:
                    break
                raise EngineUnavailable(f"the engine's log stream broke off: {error!r}") from error
            if lines:
                return lines
        self.close()
        raise StopIteration

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.close()
            self._release()


class EmptyLogStream(Iterator[Sequence[LogLine]]):
    """A LogStream without a line, for a question no line can meet."""

    def __init__(self, lines: Sequence[Sequence[LogLine]] = ()) -> None:
        self._lines = iter(lines)

    def __next__(self) -> Sequence[LogLine]:
        return next(self._lines)

    def close(self) -> None:
        self._lines = iter(())


def asked_of(query: LogQuery) -> dict[str, str | int]:
    """The query as the engine takes it, with the time of each line."""
    asked: dict[str, str | int] = {
        "stdout": int(query.stdout),
        "stderr": int(query.stderr),
        "follow": int(query.follow),
        "tail": "all" if query.tail >= EVERY_LINE else str(query.tail),
        "timestamps": 1,
    }
    if query.since is not None:
        # Not as a float: that might come out later than it is, and lines be missed.
        seconds, rest = divmod(query.since - _EPOCH, timedelta(seconds=1))
        asked["since"] = f"{seconds}.{rest.microseconds:06}"
    return asked


def pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body of a streamed answer as the network gives it.

    The engine makes one HTTP chunk of every line, and taking those one by one costs more than all the rest of our
    work. So the chunks are taken apart here, many at a time. Raises ConnectionError when the body breaks off.
    """
    source: Any = answer.raw._fp.fp
    if answer.headers.get("Transfer-Encoding", "").lower() != "chunked":
        while data := source.read1(READ_SIZE):
            yield data
        return
    chunks = _Chunks()
    while not chunks.ended:
        data = source.read1(READ_SIZE)
        if not data:
            raise ConnectionError("the connection was closed in the middle of the answer")
        body = chunks.feed(data)
        if body:
            yield body


class _Chunks:
    """Takes HTTP's chunked encoding off a stream of bytes, wherever they are cut."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._left = 0
        """Bytes of the chunk that is under way, its final CRLF included."""

    def feed(self, data: bytes) -> bytes:
        """What of the body is in these bytes. Raises ValueError when they are not chunked."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        found: list[bytes] = []
        position, size = 0, len(data)
        while position < size:
            if not self._left:
                # Whole chunks, which nearly all are, without the state that others need.
                line = data.find(b"\r\n", position, position + _LONGEST_HEAD)
                digits = data[position:line]
                if line > 0 and digits.isalnum():
                    end = line + 2 + int(digits, 16)
                    if line + 2 < end <= size - 2:
                        found.append(data[line + 2 : end])
                        position = end + 2
                        continue
            if self._left > 2:
                end = min(position + self._left - 2, size)
                found.append(data[position:end])
                self._left -= end - position
                position = end
                continue
            if self._left:
                skipped = min(self._left, size - position)
                self._left -= skipped
                position += skipped
                continue
            line = data.find(b"\r\n", position)
            if line < 0:
                self._rest = data[position:]
                break
            length = int(data[position:line].partition(b";")[0], 16)
            if length == 0:
                self.ended = True
                break
            self._left = length + 2
            position = line + 2
        return b"".join(found)
