"""Release notes on forges, and where answers are kept for a while."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from chalicelib.domain.release import ReleaseNotes
from chalicelib.domain.source import SourceRepository


class ReleaseNotesSource(Protocol):
    """Forges that may be asked: the well-known ones, and those the settings name."""

    def find(self, repository: SourceRepository, release: str) -> ReleaseNotes | None:
        """The notes of the release of exactly this name.

        None when there is none, or when its host is not one that may be asked. Raises Unavailable when the forge does
        not answer, or does not want to.
        """
        ...


class ReleaseNotesCache(Protocol):
    """Answers by what was asked; a kept None says that there are none."""

    def get(self, key: str, now: datetime) -> tuple[bool, ReleaseNotes | None]:
        """Whether an answer is kept, and which."""
        ...

    def put(self, key: str, notes: ReleaseNotes | None, until: datetime) -> None:
        """Keep an answer until then."""
        ...
