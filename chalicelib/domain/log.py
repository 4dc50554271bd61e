"""Lines of a container's output, and what may be asked of its log."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

STDOUT, STDERR = "stdout", "stderr"
MOST_LINES = 10_000
"""The longest tail that is given."""
EVERY_LINE = 2**31 - 1
"""A tail that is the whole log: of ours alone, nobody may ask for it."""
MOST_BYTES = 16 * 1024 * 1024
"""The largest log that is given in one piece."""

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]")


class LogLine(NamedTuple):
    """One line: which stream it came from, the engine's RFC 3339 time (empty when it gave none), and its text."""

    stream: str
    ts: str
    line: str


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which lines: the last `tail` of those after `since`, of one stream or both; `follow` goes on with new ones."""

    stdout: bool = True
    stderr: bool = True
    tail: int = 1000
    since: datetime | None = None
    follow: bool = False

    @property
    def nothing(self) -> bool:
        """Whether no line can meet it."""
        return not (self.stdout or self.stderr)

    def wants(self, stream: str) -> bool:
        """Whether lines of that stream are asked for."""
        return self.stdout if stream == STDOUT else self.stderr

    def arguments(self) -> dict[str, Any]:
        """The query as arguments of a command."""
        since = self.since.timestamp() if self.since is not None else None
        return {
            "stdout": self.stdout,
            "stderr": self.stderr,
            "tail": self.tail,
            "since": since,
            "follow": self.follow,
        }

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> LogQuery:
        """The query in arguments of a command."""
        since = arguments["since"]
        return cls(
            stdout=arguments["stdout"],
            stderr=arguments["stderr"],
            tail=arguments["tail"],
            since=datetime.fromtimestamp(since, UTC) if since is not None else None,
            follow=arguments["follow"],
        )


def text(lines: Iterable[LogLine], *, timestamps: bool) -> str:
    """Lines as a text file, each with its time before it when there is one and it is wanted."""
    if timestamps:
        return "".join(f"{ts} {line}\n" if ts else f"{line}\n" for _, ts, line in lines)
    return "".join(f"{line}\n" for _, _, line in lines)


def download_name(container_name: str) -> str:
    """The name of the file a container's log is saved in."""
    return f"{_UNSAFE.sub('_', container_name) or 'container'}-logs.txt"
