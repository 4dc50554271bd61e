"""The pulse of an executor on its own disk: whether it lives and works can be seen without asking the store."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from chalicelib.domain.agent import SILENCE

_FILE = "executor.pulse"


class Pulse:
    """A file that is touched whenever the store has taken a report."""

    def __init__(self, data: Path) -> None:
        self._path = data / _FILE

    def beat(self) -> None:
        """The executor works. A disk that does not take that is no reason to stop."""
        with suppress(OSError):
            self._path.touch(mode=0o600)

    def forget(self) -> None:
        """A new life begins: the pulse of the last one says nothing of it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)

    def felt(self) -> bool:
        """Whether there was a beat lately."""
        with suppress(OSError):
            return time.time() - self._path.stat().st_mtime < SILENCE.total_seconds()
        return False
