"""The one place of an executor on its machine: who sits there, and that nobody else does."""

from __future__ import annotations

import fcntl
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO

_FILE = "executor.id"


class SeatTaken(Exception):
    """Another executor runs on the same data directory."""


class Seat:
    """A lock on the data directory. `owner` is the same in every life of this executor: it may resume its own work."""

    def __init__(self, data: Path) -> None:
        self._path = data / _FILE
        self._file: IO[str] | None = None
        self.owner = ""

    def __enter__(self) -> Seat:
        """Take the seat. Raises SeatTaken."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600), "r+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise SeatTaken(f"an executor already runs with the data directory {self._path.parent}") from None
        self.owner = file.read().strip()
        if not self.owner:
            self.owner = str(uuid.uuid4())
            file.write(f"{self.owner}\n")
            file.flush()
            os.fsync(file.fileno())
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave it."""
        if self._file is not None:
            self._file.close()
