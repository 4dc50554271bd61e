"""Everything an update needs to know before the host is touched: the image is here and fits, the copy is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.backup import Backup
from chalicelib.domain.errors import Failed
from chalicelib.domain.labels import SWARM_TASK
from chalicelib.domain.operation import RECREATION, ROLLBACK, Operation, original_name
from chalicelib.domain.reference import Reference, choose_reference, own_digest
from chalicelib.ports.engine import EngineNotFound
from local_runtime.engine.replica import Replica, plan_replica
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import image_or_nothing, inspect_optional, require_same_platform
from local_runtime.executor.updating.remembered import remembered

Document = Mapping[str, Any]

_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class Prepared:
    """The container as it is, the image it moves to, and the create call of its successor."""

    source: Document
    old_image: Document
    new_image: Document
    replica: Replica
    was_running: bool
    """Whether the successor must run."""

    @property
    def bound_digest(self) -> str | None:
        """The digest the target was pulled by; absent for an image that never was in a registry."""
        own = own_digest(Reference.parse(self.replica.body["Image"]), self.new_image.get("RepoDigests") or ())
        return own.partition("@")[2] if own else None

    def nothing_new(self, operation: Operation) -> bool:
        """Whether the container would end on the very same image: by another digest of its tag, or by going back."""
        if operation.kind == ROLLBACK and self.source["Config"]["Image"] != self.replica.body["Image"]:
            return False
        moved_by_digest = operation.kind == ROLLBACK or (operation.to_version or "").startswith(_DIGEST)
        return moved_by_digest and self.new_image["Id"] == self.source["Image"]


def prepare(host: Host, operation: Operation) -> Prepared:
    """Have the target here and prove that it fits; read what the new container must look like.

    The security gate judges what is new: not a copy on the same image, nor the image of a backup.

    Raises Failed, Invalid, EngineError or RegistryError; the container has not been touched.
    """
    source = _source(host, operation)
    # Where the engine has lost it, everything of the container is kept.
    old_image = image_or_nothing(host.engine, source["Image"])
    before = image_or_nothing(host.engine, operation.target_image or "").get("Id")
    reference, new_image = _target(host, operation, source)
    require_same_platform(old_image, new_image, reference)
    if operation.kind not in (RECREATION, ROLLBACK) and new_image["Id"] != source["Image"]:
        host.gatekeeper.require_safe(operation, host.engine, reference, new_image, before)
    info = host.engine.info()
    replica = plan_replica(
        source,
        old_image,
        new_image,
        name=operation.identity.name,
        image=reference,
        api_version=host.engine.api_version(),
        default_runtime=info.get("DefaultRuntime"),
        host_name=info.get("Name"),
        resolve_container=lambda container: _name_of(host, operation, container),
        volumes_of=lambda container: _volumes_of(host, container),
    )
    # What has lost its namespace may have ended with it, and its operation knows better than the engine.
    runs = bool(source["State"].get("Running")) or (operation.kind == RECREATION and bool(operation.was_running))
    return Prepared(source, old_image, new_image, replica, runs)


def remember(host: Host, operation: Operation, prepared: Prepared, temp_name: str) -> None:
    """Write down what the container ran (in the store) and all it was made of (on this machine's disk).

    Raises Failed when the disk does not take it: without that a `--rm` container could not be brought back.
    """
    _keep_image(host, operation, prepared)
    source = prepared.source
    itself = plan_replica(
        source,
        prepared.old_image,
        {"Id": source["Image"]},
        name=temp_name,
        image=source["Config"]["Image"],
        api_version=host.engine.api_version(),
        resolve_container=lambda container: _name_of(host, operation, container),
        volumes_of=lambda container: _volumes_of(host, container),
    )
    try:
        host.blueprints.keep(operation.id, source["Image"], itself)
    except OSError as error:
        raise Failed(f"The container's settings could not be written down, so it is not touched: {error}") from error


def _source(host: Host, operation: Operation) -> Document:
    name = operation.identity.name
    source = inspect_optional(host.engine, operation.container_id)
    if source is None:
        if inspect_optional(host.engine, name) is not None:
            raise Failed(f"{name} has been recreated since the update was asked for; watch it again first.")
        raise Failed(f"The container is gone; {name} must be watched again first.")
    if source["Name"].lstrip("/") != name:
        raise Failed(f"{name} is now called {source['Name'].lstrip('/')}; watch it again first.")
    if source["State"].get("Paused"):
        raise Failed("The container is paused; unpause it first.")
    if (source["Config"].get("Labels") or {}).get(SWARM_TASK):
        # Its swarm would miss it as soon as it stops, and start another one beside its successor.
        raise Failed("The container is a task of a swarm service: the swarm makes and replaces it; update the service.")
    return source


def _target(host: Host, operation: Operation, source: Document) -> tuple[str, Document]:
    """The reference to create from, and its image, which is here."""
    if operation.kind == ROLLBACK:
        return remembered(host, operation)
    reference = _same_image(host, source) if operation.kind == RECREATION else _pulled(host, operation)
    try:
        return reference, host.engine.image(reference)
    except EngineNotFound:
        raise Failed(f"{reference} was pulled but is not here.") from None


def _keep_image(host: Host, operation: Operation, prepared: Prepared) -> None:
    """One more backup, unless the newest is of this very image: attempts in vain must not push out the others.

    A rollback remembers the image it leaves too, so that one can go forward again. The oldest ones are forgotten when
    the operation has ended.
    """
    made = _backup(operation, prepared)
    newest = next(iter(host.backups.of(operation.identity)), None)
    if newest is None or newest.id == made.id or not newest.is_of(made.image_id, made.image_digest):
        host.backups.add(made)


def _pulled(host: Host, operation: Operation) -> str:
    target = Reference.parse(operation.target_image or "")
    host.engine.pull(target.familiar, auth=host.registries.pull_credentials(target))
    return target.familiar


def _same_image(host: Host, source: Document) -> str:
    """The reference the container was made from while that still leads to its image, else the image's id."""
    configured = str(source["Config"]["Image"])
    leads_there = image_or_nothing(host.engine, configured).get("Id") == source["Image"]
    return configured if leads_there else str(source["Image"])


def _backup(operation: Operation, prepared: Prepared) -> Backup:
    source, image = prepared.source, prepared.old_image
    digests = image.get("RepoDigests") or ()
    reference = choose_reference(source["Config"]["Image"], image.get("RepoTags") or (), digests)
    own = own_digest(reference, digests)
    return Backup(
        # The same in every attempt at this operation, so that there is one of it.
        id=operation.id,
        at=operation.created_at,
        identity=operation.identity,
        container_id=operation.container_id,
        image_name=Reference(reference.host, reference.path).familiar,
        image_tag=reference.running_tag,
        image_digest=own.partition("@")[2] if own else None,
        image_id=source["Image"],
        trigger=operation.trigger or "",
    )


def _volumes_of(host: Host, container: str) -> set[str]:
    document = inspect_optional(host.engine, container) or {}
    return {str(one["Name"]) for one in document.get("Mounts") or () if one.get("Name")}


def _name_of(host: Host, operation: Operation, container: str) -> str | None:
    """The name by which a container is found today: its own, or that of whatever took its place."""
    document = inspect_optional(host.engine, container)
    if document is not None:
        name = str(document["Name"]).lstrip("/")
        return original_name(name) or name
    stored = host.containers.of_watcher(operation.identity.agent, operation.identity.watcher)
    return next((one.name for one in stored if container in one.former_ids), None)
