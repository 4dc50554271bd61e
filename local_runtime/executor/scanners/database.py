"""Which vulnerability database a scanner works with: asked of the program, and not again for a while."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from chalicelib.ports.scanner import ScannerError
from local_runtime.executor.scanners.call import Call
from local_runtime.executor.scanners.document import Document, inner, read, text

_REMEMBERED = timedelta(minutes=5)
_NEVER = "0001-"
"""The zero time of Go: how both programs write that they have no database."""


class Database:
    """The date of one program's database, as it tells it; empty when it does not tell."""

    def __init__(self, tool: str, call: Call, arguments: list[str], date: Callable[[Document], object]) -> None:
        """`arguments` make the program describe itself as JSON, and `date` finds the date in that."""
        self._tool = tool
        self._call = call
        self._arguments = arguments
        self._date = date
        self._known: tuple[datetime, str] | None = None

    def date(self) -> str:
        """When it was made."""
        now = self._call.now
        if self._known is None or now - self._known[0] > _REMEMBERED:
            self._known = (now, self._ask())
        return self._known[1]

    def forget(self) -> None:
        """Another one has been fetched."""
        self._known = None

    def _ask(self) -> str:
        try:
            ended = self._call.once(self._arguments, {})
            date = text(self._date(inner(read(self._tool, ended.output)))) or ""
            return "" if ended.code != 0 or date.startswith(_NEVER) else date
        except ScannerError:
            return ""
