"""The image a container ran before an update: enough to run it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.container import Identity


@dataclass(frozen=True, slots=True)
class Backup:
    """One remembered image. `image_name` can be pulled as it is; the id is the engine's local image id."""

    id: str
    identity: Identity
    container_id: str
    image_name: str
    image_tag: str
    image_digest: str | None
    image_id: str | None
    at: datetime
    trigger: str
