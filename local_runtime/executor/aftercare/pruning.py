"""Keep as many backups as are wanted, and remove the images nobody can need any more: once an operation has ended."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain import version as versions
from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Invalid
from chalicelib.domain.operation import UPDATE, Operation, Phase
from chalicelib.domain.reference import Reference, Repository
from chalicelib.ports.engine import EngineConflict, EngineError, EngineNotFound, EngineUnavailable
from local_runtime.executor.host import Host

log = logging.getLogger(__name__)

Document = Mapping[str, Any]


def prune(host: Host, operation: Operation, container: Container | None) -> None:
    """After every end of an operation: forget the oldest backups, and, if its trigger prunes, remove their images.

    After an update that went through older versions of the same repository go too. An image that a kept backup or any
    container refers to stays, and so does every other name it was given. Raises EngineUnavailable, Unavailable.
    """
    action = host.action(operation.trigger)
    known = host.backups.of(operation.identity)
    dropped = known[action.backup_count :]
    if action.prune:
        moved = operation.kind == UPDATE and operation.phase is Phase.SUCCEEDED
        moved = moved and operation.new_container_id != operation.container_id
        shelf = _look(host, operation, {one.id for one in dropped})
        for name in [*_forgotten(shelf, dropped), *(_older(shelf, container) if moved else ())]:
            _remove(host, name)
    if dropped:
        # Only now: whoever dies before finds them again.
        host.backups.keep(operation.identity, action.backup_count)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The local images, with what must stay of them."""

    images: Sequence[Document]
    needed: frozenset[str]
    """Ids, names and digests."""

    def free(self) -> Iterator[Document]:
        """Images nothing refers to by id or digest."""
        for image in self.images:
            digests = {text.rpartition("@")[2] for text in image.get("RepoDigests") or ()}
            if image["Id"] not in self.needed and not digests & self.needed:
                yield image


def _look(host: Host, operation: Operation, dropped: set[str]) -> _Shelf:
    needed: set[str | None] = set()
    for backup in host.backups.of_agent(operation.identity.agent):
        if backup.id not in dropped:
            needed |= {backup.image_id, backup.image_digest}
    for other in host.operations.open_of(operation.identity.agent):
        needed |= {other.target_image, other.new_image_id, other.wanted_image_id, other.wanted_digest}
    # Last, so that what was created meanwhile is seen.
    images = host.engine.images()
    for summary in host.engine.containers(all=True):
        needed |= {summary.get("ImageID"), summary.get("Image")}
    return _Shelf(images, frozenset(one for one in needed if one))


def _forgotten(shelf: _Shelf, dropped: Iterable[Backup]) -> Iterator[str]:
    """The names of images that only a forgotten backup remembered: the name it ran under, if that is still its own."""
    for backup in dropped:
        for image in shelf.free():
            if not backup.is_of(image["Id"], None) and not _served_as(image, backup.image_digest):
                continue
            tags = _names(image, "RepoTags")
            if tags:
                yield from (tag for tag in tags if tag == backup.reference(pinned=False) and tag not in shelf.needed)
                continue
            # Without a tag it is known by digests, one of each repository it came from, or by nothing but its id.
            digests = _names(image, "RepoDigests")
            own = [one for one in digests if Reference.parse(one).familiar.startswith(f"{backup.image_name}@")]
            yield from own or ([] if digests else [str(image["Id"])])


def _older(shelf: _Shelf, container: Container | None) -> Iterator[str]:
    """Tags of lower versions of what the container runs now, of images that its registry has."""
    if container is None:
        return
    try:
        running = Reference.parse(container.image.reference)
    except Invalid:
        return
    version = versions.parse(running.tag or "")
    if version is None:
        return
    for image in shelf.free():
        if not any(_repository(one) == running.repository for one in _names(image, "RepoDigests")):
            continue
        for name in _names(image, "RepoTags"):
            older = versions.parse(Reference.parse(name).tag or "") if _repository(name) == running.repository else None
            if older is None or name in shelf.needed or not version.is_newer_than(older):
                continue
            if versions.same_variant(version, older):
                yield name


def _remove(host: Host, name: str) -> None:
    try:
        host.engine.remove_image(name)
        log.info("the image %s was removed", name)
    except EngineNotFound:
        pass
    except EngineConflict as error:
        log.info("the image %s stays: %s", name, error)
    except EngineUnavailable:
        raise
    except EngineError as error:
        log.warning("the image %s could not be removed: %s", name, error)


def _names(image: Document, key: str) -> list[str]:
    return [name for name in image.get(key) or () if not name.startswith("<none>")]


def _served_as(image: Document, digest: str | None) -> bool:
    return digest is not None and any(name.endswith(f"@{digest}") for name in _names(image, "RepoDigests"))


def _repository(name: str) -> Repository | None:
    try:
        return Reference.parse(name).repository
    except Invalid:
        return None
