"""The image a container ran before an update: enough to run it again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.container import Identity
from chalicelib.domain.reference import UNKNOWN_TAG, Reference


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

    def is_of(self, image_id: str | None, digest: str | None) -> bool:
        """Whether it remembers this very image; by what of the two both sides know, the engine's id first."""
        if self.image_id and image_id:
            return self.image_id == image_id
        return bool(self.image_digest and self.image_digest == digest)

    def reference(self, *, pinned: bool) -> str:
        """The name to run it under: with the tag its operator used, and with its digest if the name is `pinned` to one.

        An image that never had a name has nothing but its id.
        """
        if self.image_tag == UNKNOWN_TAG and self.image_id:
            return self.image_id
        name = Reference.parse(self.image_name)
        if ":" in self.image_tag:
            return name.with_digest(self.image_tag).familiar
        digest = self.image_digest if pinned else None
        return Reference(name.host, name.path, self.image_tag, digest).familiar
