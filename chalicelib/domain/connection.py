"""One viewer's WebSocket, as executors know it: where to send frames, and how it may end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.errors import SlipwayError

NORMAL, BROKEN, TOO_SLOW = 1000, 1011, 1013
NOT_RUNNING, NOT_FOUND = 4001, 4004

POLL_SECONDS = 3.0
"""How often an executor that has nothing to send asks whether its viewer is still there."""
SILENCE_SECONDS = 12.0
"""After this long without a word from the executor a viewer is let go."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A connection of API Gateway, or one of our own server that answers the same calls under `url`."""

    id: str
    url: str
    secret: str = field(default="", repr=False)
    """What our own server wants to see; API Gateway checks a signature instead."""
    many: bool = False
    """Whether one call may carry many frames, one a line. API Gateway makes one message of every call."""

    def arguments(self) -> dict[str, Any]:
        """The connection as an argument of a command."""
        return {"id": self.id, "url": self.url, "secret": self.secret, "many": self.many}

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Connection:
        """The connection in such an argument."""
        return cls(arguments["id"], arguments["url"], arguments["secret"], arguments["many"])


class Ended(SlipwayError):
    """A stream ends, or does not begin: `code` is the WebSocket's close code, the message its reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
