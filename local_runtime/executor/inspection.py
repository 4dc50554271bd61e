"""Looking at containers and images that may not be there, and reading what the engine says of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.errors import Failed
from chalicelib.ports.engine import Engine, EngineNotFound


def inspect_optional(engine: Engine, container: str | None) -> Mapping[str, Any] | None:
    """The inspect document, or nothing when there is no such container."""
    if container is None:
        return None
    try:
        return engine.inspect(container)
    except EngineNotFound:
        return None


def image_or_nothing(engine: Engine, image: str) -> Mapping[str, Any]:
    """The image's document; empty when the engine has lost it, or never had it."""
    try:
        return engine.image(image)
    except EngineNotFound:
        return {}


def require_same_platform(old_image: Mapping[str, Any], new_image: Mapping[str, Any], reference: str) -> None:
    """Raises Failed when the new image is made for other machines than the old one, as far as that is known."""
    for part in ("Os", "Architecture"):
        if old_image.get(part) and new_image.get(part) != old_image[part]:
            raise Failed(f"{reference} is for {new_image.get(part)}, but {old_image[part]} is needed.")


def started_at(inspect: Mapping[str, Any]) -> datetime:
    """When a container was last started; long ago when it never was."""
    return moment_of(inspect["State"]["StartedAt"])


def moment_of(text: object) -> datetime:
    """A time as the engine writes it: in UTC, with nine digits after the second, or fewer."""
    seconds, _, fraction = str(text).rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{seconds}.{fraction[:6]:0<6}+00:00")
