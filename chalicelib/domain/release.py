"""Release notes: what a forge says about one version of an image's source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

KEPT = timedelta(minutes=60)
MISS_KEPT = timedelta(minutes=10)
"""How long it is remembered that there are none, or that nobody could say."""


@dataclass(frozen=True, slots=True)
class ReleaseNotes:
    """The notes of one release; `provider` is github, gitlab or gitea (which Forgejo is to us)."""

    title: str
    body: str
    url: str
    published_at: datetime
    provider: str


def spellings(tag: str) -> tuple[str, str]:
    """The names a release of this tag may have: with the leading `v` first, then without."""
    plain = tag.removeprefix("v")
    return f"v{plain}", plain
