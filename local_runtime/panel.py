"""What a person sees of the supervisor: the start-up panel and the programs' lines, each with its program's name."""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

LEVELS = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}
COLOURS = {"store": "magenta", "server": "cyan", "executor": "green", "slipway": "yellow"}
DOCS_PATH = "/api/v1/docs"


class Screen:
    """Writes to standard output; plain and unwrapped where that is no terminal. `demo` is what to say of one."""

    def __init__(self, data: Path, demo: str | None = None) -> None:
        self._console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._data = data
        self._demo = demo

    def show(self, name: str, line: str) -> None:
        """One line of a program."""
        self._console.print(Text(f"{name:>8} │ ", style=COLOURS.get(name, "")), _readable(line), sep="", end="\n")

    def announce(self, url: str, password: str | None) -> None:
        """The start-up panel: where it is, and on the very first start who may come in."""
        rows = Table.grid(padding=(0, 2))
        rows.add_row("API", Text(f"{url}/api/v1/containers", style="bold"))
        rows.add_row("Docs", Text(f"{url}{DOCS_PATH}"))
        rows.add_row("Data", Text(_tame(str(self._data))))
        if password is not None:
            rows.add_row("User", "admin")
            rows.add_row("Password", Text(password, style="bold"))
            rows.add_row("", "shown this once; only its hash is kept")
        if self._demo is not None:
            rows.add_row("Demo", Text(_tame(self._demo)))
        self._console.print(
            Panel(rows, title=f"Slipway is ready: {url}", subtitle="Ctrl-C stops it", expand=False), soft_wrap=False
        )


def _readable(line: str) -> Text:
    """A line of the JSON log as a person reads it: time, level when it matters, message, stack trace; others as is.

    What a log quotes was written by others, a container's name or a path: it must neither steer the terminal nor
    begin a line of its own.
    """
    try:
        record = json.loads(line)
        text = _tame(f"{record['timestamp'][11:19]} {record['message']}")
        level = record["level"]
    except (ValueError, KeyError, TypeError):
        return Text(_tame(Text.from_ansi(line).plain))
    trace = record.get("exception")
    told = "".join(f"\n{'':>8} │   {_tame(one)}" for one in trace.split("\n")) if isinstance(trace, str) else ""
    return Text(text + told, style=LEVELS.get(level, "") if isinstance(level, str) else "")


def _tame(text: str) -> str:
    """The text with everything that is no visible character written out: escapes, line ends, marks that turn lines."""
    return "".join(one if one.isprintable() or one == "\t" else ascii(one)[1:-1] for one in text)
