"""Looking at a container that may not be there."""

from __future__ import annotations

from collections.abc import Mapping
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
