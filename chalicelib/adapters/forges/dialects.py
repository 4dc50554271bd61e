"""How each kind of forge is asked for one release, and how its answer reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from chalicelib.domain.release import ReleaseNotes

LONGEST_BODY = 100_000
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One kind of forge. `path` is below the address of its API; `token_header` makes a header of a token."""

    provider: str
    path: Callable[[str, str], str]
    token_header: Callable[[str], tuple[str, str]]
    members: Mapping[str, str]

    def read(self, body: Mapping[str, Any], release: str, page: str) -> ReleaseNotes:
        """The notes an answer spells; `page` stands in when it has no link of its own."""
        link = body.get("html_url") or (body.get("_links") or {}).get("self")
        return ReleaseNotes(
            title=_text(body.get("name")) or release,
            body=_text(body.get(self.members["body"]))[:LONGEST_BODY],
            url=link if isinstance(link, str) and link.startswith(("https://", "http://")) else page,
            published_at=_moment(body.get(self.members["published"])),
            provider=self.provider,
        )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _moment(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return _EPOCH
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _by_owner(path: str, release: str) -> str:
    return f"/repos/{quote(path)}/releases/tags/{quote(release, safe='')}"


def _by_project(path: str, release: str) -> str:
    return f"/projects/{quote(path, safe='')}/releases/{quote(release, safe='')}"


GITHUB = Dialect(
    "github",
    _by_owner,
    lambda token: ("Authorization", f"Bearer {token}"),
    {"body": "body", "published": "published_at"},
)
GITLAB = Dialect(
    "gitlab",
    _by_project,
    lambda token: ("PRIVATE-TOKEN", token),
    {"body": "description", "published": "released_at"},
)
GITEA = Dialect(
    "gitea",
    _by_owner,
    lambda token: ("Authorization", f"token {token}"),
    {"body": "body", "published": "published_at"},
)
DIALECTS: Mapping[str, Dialect] = {one.provider: one for one in (GITHUB, GITLAB, GITEA)}
