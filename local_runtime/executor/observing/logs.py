"""Read a container's log for somebody who wants it as a file."""

from __future__ import annotations

import gzip
from typing import Any

from chalicelib.domain.command import Command
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.log import MOST_BYTES, LogQuery, text
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.observation import ResultStore

_LEVEL = 4


class TooLarge(SlipwayError):
    """The log is larger than is given in one piece."""


def read_log(command: Command, container_id: str, engine: Engine, results: ResultStore, clock: Clock) -> dict[str, Any]:
    """Leave the log, compressed, in the store and say in how many pieces. Raises TooLarge, and the engine's errors."""
    query = LogQuery.of(command.arguments["query"])
    timestamps = bool(command.arguments["timestamps"])
    stream = engine.logs(container_id, query)
    parts: list[bytes] = []
    size = 0
    try:
        for lines in stream:
            parts.append(text(lines, timestamps=timestamps).encode("utf-8", "replace"))
            size += len(parts[-1])
            if size > MOST_BYTES:
                raise TooLarge(f"This is more than {MOST_BYTES >> 20} MiB of log. Ask for fewer lines with `tail`.")
    finally:
        stream.close()
    packed = gzip.compress(b"".join(parts), _LEVEL, mtime=0)
    return {"pieces": results.put(command.agent, command.id, packed, clock.now())}
