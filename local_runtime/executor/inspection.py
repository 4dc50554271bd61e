"""Looking at a container that may not be there, and reading what the engine says of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.ports.engine import Engine, EngineNotFound


def inspect_optional(engine: Engine, container: str | None) -> Mapping[str, Any] | None:
    """The inspect document, or nothing when there is no such container."""
    if container is None:
        return None
    try:
        return engine.inspect(container)
    except EngineNotFound:
        return None


def moment_of(text: object) -> datetime:
    """A time as the engine writes it: in UTC, with nine digits after the second, or fewer."""
    seconds, _, fraction = str(text).rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
