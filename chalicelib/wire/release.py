"""Release notes, as the API shows them and as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.release import ReleaseNotes
from chalicelib.wire import moment


def write(notes: ReleaseNotes) -> dict[str, Any]:
    """The notes of one release."""
    return {
        "title": notes.title,
        "body": notes.body,
        "url": notes.url,
        "publishedAt": moment.write(notes.published_at),
        "provider": notes.provider,
    }


def read(body: Mapping[str, Any]) -> ReleaseNotes:
    """The notes a stored object spells."""
    return ReleaseNotes(
        title=body["title"],
        body=body["body"],
        url=body["url"],
        published_at=moment.read(body["publishedAt"]),
        provider=body["provider"],
    )
