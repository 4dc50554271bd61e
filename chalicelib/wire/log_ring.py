"""The last lines of this process's own log, kept in memory, and as the API shows them."""

from __future__ import annotations

import itertools
import logging
import re
import uuid
from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.environment import without_secrets
from chalicelib.domain.errors import Invalid
from chalicelib.domain.log_entry import KEPT as KEPT
from chalicelib.domain.log_entry import EntryQuery, LogEntry, level_of
from chalicelib.wire import json, moment
from chalicelib.wire.log import since
from chalicelib.wire.query import Query, first, number

LONGEST_MESSAGE = 2000

_LEVELS = ((logging.ERROR, "error"), (logging.WARNING, "warn"), (logging.INFO, "info"), (0, "debug"))
_COMPONENT = re.compile(r"[\w.@-]{1,100}", re.ASCII)
_PREFIXES = ("local_runtime.", "chalicelib.", "slipway.")


class LogRing(logging.Handler):
    """A handler of the root logger that keeps the newest lines."""

    def __init__(self) -> None:
        super().__init__()
        self._source = uuid.uuid4().hex[:12]
        self._numbers = itertools.count(1)
        self._kept: deque[LogEntry] = deque(maxlen=KEPT)
        self._told = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, without passwords it may quote and without its traceback: that stays in the log itself."""
        level = next(word for least, word in _LEVELS if record.levelno >= least)
        message = without_secrets(record.getMessage())[:LONGEST_MESSAGE]
        at = datetime.fromtimestamp(record.created, UTC)
        self._kept.append(LogEntry(at, level, component(record.name), message, self._source, next(self._numbers)))

    def entries(self) -> list[LogEntry]:
        """What is kept, oldest first."""
        self.acquire()
        try:
            return list(self._kept)
        finally:
            self.release()

    def news(self) -> list[LogEntry]:
        """What is kept and no earlier call has given, oldest first."""
        self.acquire()
        try:
            if not self._kept or self._kept[-1].number <= self._told:
                return []
            found = [entry for entry in self._kept if entry.number > self._told]
            self._told = self._kept[-1].number
            return found
        finally:
            self.release()


def component(logger_name: str) -> str:
    """The component a logger speaks for: its name without the package."""
    for prefix in _PREFIXES:
        logger_name = logger_name.removeprefix(prefix)
    return logger_name


def query(asked: Query) -> EntryQuery:
    """What entries are asked for. Raises Invalid for a level or component that cannot be."""
    wanted = first(asked, "component") or None
    if wanted is not None and not _COMPONENT.fullmatch(wanted):
        raise Invalid("component must be the name of a component")
    return EntryQuery(
        level=level_of(first(asked, "level")),
        component=wanted,
        since=since(first(asked, "since")),
        tail=number(asked, "tail", 100, KEPT),
    )


def write(entry: LogEntry) -> dict[str, Any]:
    """An entry as the API shows it."""
    return {
        "timestamp": moment.write(entry.at),
        "level": entry.level,
        "component": entry.component,
        "msg": entry.message,
    }


def frames(entries: Iterable[LogEntry]) -> bytes:
    """Entries as frames of the stream, one JSON object a line."""
    return b"".join(json.dumps(write(entry)) + b"\n" for entry in entries)


def pack(entry: LogEntry) -> dict[str, Any]:
    """An entry in a command's result."""
    return write(entry) | {"source": entry.source, "number": entry.number, "at": entry.at.timestamp()}


def unpack(stored: Mapping[str, Any]) -> LogEntry:
    """The entry in such a result."""
    at = datetime.fromtimestamp(stored["at"], UTC)
    names = ("level", "component", "msg", "source", "number")
    level, who, message, source, count = (stored[name] for name in names)
    return LogEntry(at, level, who, message, source, count)


RING = LogRing()
"""Of this process."""
