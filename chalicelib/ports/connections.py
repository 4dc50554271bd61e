"""Sending to viewers: API Gateway's connections, or those of our own server, which answers the same calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.log import LogLine
from chalicelib.domain.log_entry import LogEntry


class Gone(SlipwayError):
    """The viewer has left."""


class Connections(Protocol):
    """Calls about one connection at a time; thread-safe. Each raises Gone, and Unavailable when nobody answers."""

    def encode(self, lines: Iterable[LogLine]) -> bytes:
        """Lines as frames, done once for all their viewers."""
        ...

    def encode_entries(self, entries: Iterable[LogEntry]) -> bytes:
        """Entries of Slipway's own log as frames."""
        ...

    def post(self, connection: Connection, frames: bytes, number: int) -> None:
        """Send frames, and return when the viewer's side has taken them.

        `number` counts the posts of a connection from 1, so that one sent twice arrives once; 0 where several send.
        """
        ...

    def require(self, connection: Connection) -> None:
        """Let its host know that we are there, and find out whether the viewer is."""
        ...

    def close(self, connection: Connection, code: int, reason: str) -> None:
        """End it."""
        ...
