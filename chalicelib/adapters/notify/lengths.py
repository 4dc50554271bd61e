"""How long a text each service takes; what is longer would be refused whole, at every attempt."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chalicelib.domain.notice import Message

_TITLE = 250


@dataclass(frozen=True, slots=True)
class Limit:
    """Of title and body together, or of the body `alone`; in characters, or `in_bytes` of UTF-8 where these count."""

    longest: int
    in_bytes: bool = False
    alone: bool = False

    def of(self, text: str) -> int:
        """How long a text is, as the service counts."""
        return len(text.encode()) if self.in_bytes else len(text)


# As each documents it, less what formatting adds.
_LIMITS = {
    "discord": Limit(4096, alone=True),
    "googlechat": Limit(2800, in_bytes=True),
    "matrix": Limit(30_000, in_bytes=True),
    "mattermost": Limit(16_000),
    "ntfy": Limit(4000, in_bytes=True),
    "pushover": Limit(1024, alone=True),
    "rocketchat": Limit(4900),
    "slack": Limit(30_000),
    "teams": Limit(20_000, in_bytes=True),
    "telegram": Limit(4000),
}


def fitted(kind: str, message: Message) -> Message:
    """The message, cut between two lines where it is too long for a type; how much is missing stands at its end."""
    limit = _LIMITS.get(kind)
    if limit is None:
        return message
    title = message.title if len(message.title) <= _TITLE else f"{message.title[: _TITLE - 1]}…"
    room = limit.longest - (0 if limit.alone else limit.of(title))
    body = message.body if limit.of(message.body) <= room else _cut(message.body, limit, room)
    return replace(message, title=title, body=body)


def _cut(body: str, limit: Limit, room: int) -> str:
    lines = body.split("\n")
    room -= limit.of(f"\n… and {len(lines)} more lines")
    kept = 0
    while kept < len(lines) and (room := room - limit.of(lines[kept]) - 1) >= 0:
        kept += 1
    missing = len(lines) - kept
    if not kept:
        # One line too long by itself; a character has four bytes at most.
        return f"{body[: max(0, room + limit.of(lines[0])) // (4 if limit.in_bytes else 1)]}…"
    return "\n".join(lines[:kept]) + f"\n… and {missing} more line{'s' if missing > 1 else ''}"
