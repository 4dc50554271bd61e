"""The story of an update: prepare, rename, create, stop, start, prove, commit, remove; and its one undo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.backup import Backup
from chalicelib.domain.errors import Failed, Invalid
from chalicelib.domain.operation import Operation, Phase, temporary_name
from chalicelib.domain.reference import Reference, choose_reference, own_digest
from chalicelib.ports.engine import EngineError, EngineNotFound
from chalicelib.ports.registry import RegistryError
from local_runtime.engine.replica import Replica, plan_replica
from local_runtime.executor.health import NotAlive, has_health_check, require_alive, require_healthy
from local_runtime.executor.host import Host, inspect_optional
from local_runtime.executor.undo import undo

Document = Mapping[str, Any]

_DIGEST = "sha256:"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything known before the host is touched."""

    source: Document
    new_image: Document
    replica: Replica


class Broken(Exception):
    """A step went wrong after the host was touched; `code` is one of the operation's reasons."""

    def __init__(self, code: str, cause: Exception) -> None:
        super().__init__(str(cause))
        self.code = code


def update(host: Host, operation: Operation) -> Operation:
    """Carry it out from the start and end it. Raises Stale when the operation is in other hands by now."""
    operation = _record(host, operation, Phase.PREPARE)
    try:
        prepared = prepare(host, operation)
    except (EngineError, RegistryError, Failed, Invalid) as error:
        return _record(host, operation, Phase.FAILED, last_error=str(error))
    if _nothing_new(operation, prepared):
        return _record(host, operation, Phase.SUCCEEDED, new_container_id=operation.container_id)
    _remember_image(host, operation, prepared.source)
    try:
        operation = replace_container(host, operation, prepared)
        return commit(host, operation)
    except Broken as broken:
        # The last write may have been this step's own: what is stored is what counts.
        current = host.operations.get(operation.identity, operation.id) or operation
        return undo(host, current, broken.code, str(broken))


def prepare(host: Host, operation: Operation) -> Prepared:
    """Pull the target and prove that it is here and fits; read what the new container must look like.

    Raises Failed or EngineError; the container has not been touched.
    """
    source = inspect_optional(host.engine, operation.container_id)
    if source is None:
        raise Failed(f"The container is gone; {operation.identity.name} must be watched again first.")
    if source["State"].get("Paused"):
        raise Failed("The container is paused; unpause it first.")
    target = Reference.parse(operation.target_image or "")
    old_image = _image_or_nothing(host, source["Image"])
    host.engine.pull(target.familiar, auth=host.registries.pull_credentials(target))
    try:
        new_image = host.engine.image(target.familiar)
    except EngineNotFound:
        raise Failed(f"{target.familiar} was pulled but is not here.") from None
    for part in ("Os", "Architecture"):
        if old_image.get(part) and new_image.get(part) != old_image[part]:
            raise Failed(f"{target.familiar} is for {new_image.get(part)}, but {old_image[part]} is needed.")
    info = host.engine.info()
    replica = plan_replica(
        source,
        old_image,
        new_image,
        name=operation.identity.name,
        image=target.familiar,
        api_version=host.engine.api_version(),
        default_runtime=info.get("DefaultRuntime"),
        host_name=info.get("Name"),
        resolve_container=lambda container: _name_of(host, container),
    )
    return Prepared(source, new_image, replica)


def replace_container(host: Host, operation: Operation, prepared: Prepared) -> Operation:
    """Put the new container in the place of the old one, up to its proof. Raises Broken."""
    engine = host.engine
    was_running = bool(prepared.source["State"].get("Running"))
    operation = _record(
        host,
        operation,
        Phase.PREPARE,
        temp_name=temporary_name(operation.identity.name, host.clock.now()),
        was_running=was_running,
        new_image_id=prepared.new_image["Id"],
    )
    with _step("update_runtime_failed"):
        engine.rename(operation.container_id, operation.temp_name or "")
    operation = _record(host, operation, Phase.RENAMED)
    with _step("create_new_failed"):
        new_id = engine.create(prepared.replica.name, prepared.replica.body)
    operation = _record(host, operation, Phase.NEW_CREATED, new_container_id=new_id)
    with _step("create_new_failed"):
        for network, endpoint in prepared.replica.connect:
            engine.connect(network, new_id, endpoint)
    if not was_running:
        return operation
    with _step("stop_old_failed"):
        engine.stop(operation.container_id)
    # Quiet, as the service is down until the start: readers of lists learn of it a moment later.
    operation = _record(host, operation, Phase.OLD_STOPPED, quiet=True, old_stopped=True)
    with _step("start_new_failed"):
        engine.start(new_id)
    operation = _record(host, operation, Phase.NEW_STARTED)
    return prove(host, operation)


def prove(host: Host, operation: Operation) -> Operation:
    """Wait until the new container has shown that it lives. Raises Broken."""
    new_id = operation.new_container_id or ""
    with _step("start_new_failed"):
        document = require_alive(host, new_id, host.settings.liveness_grace_ms / 1000)
    if not has_health_check(document):
        return operation
    operation = _record(host, operation, Phase.HEALTH_GATE)

    def beat() -> None:
        nonlocal operation
        operation = _record(host, operation, Phase.HEALTH_GATE)

    with _step("health_gate_failed"):
        require_healthy(host, new_id, beat)
    return _record(host, operation, Phase.HEALTH_GATE_PASSED)


def commit(host: Host, operation: Operation) -> Operation:
    """From here on the new container stays, whatever becomes of the old one."""
    operation = _record(host, operation, operation.phase, committed=True)
    warning = None
    try:
        host.engine.remove(operation.container_id, force=True)
    except EngineError as error:
        warning = f"the old container could not be removed yet: {error}"
    return _record(host, operation, Phase.SUCCEEDED, last_error=warning)


def _nothing_new(operation: Operation, prepared: Prepared) -> bool:
    moved_by_digest = (operation.to_version or "").startswith(_DIGEST)
    return moved_by_digest and prepared.new_image["Id"] == prepared.source["Image"]


def _remember_image(host: Host, operation: Operation, source: Document) -> None:
    image = _image_or_nothing(host, source["Image"])
    digests = image.get("RepoDigests") or ()
    reference = choose_reference(source["Config"]["Image"], image.get("RepoTags") or (), digests)
    own = own_digest(reference, digests)
    host.backups.add(
        Backup(
            id=host.clock.new_id(),
            identity=operation.identity,
            container_id=operation.container_id,
            image_name=Reference(reference.host, reference.path).familiar,
            image_tag=reference.running_tag,
            image_digest=own.partition("@")[2] if own else None,
            image_id=source["Image"],
            at=host.clock.now(),
            trigger=operation.trigger or "",
        )
    )
    host.backups.keep(operation.identity, host.backup_count(operation.trigger))


def _record(host: Host, operation: Operation, phase: Phase, *, quiet: bool = False, **facts: object) -> Operation:
    return host.operations.record(operation.at(phase, host.clock.now(), **facts), quiet=quiet)


def _image_or_nothing(host: Host, image: str) -> Document:
    """The image's document; empty when the engine has lost it, and then everything of the container is kept."""
    try:
        return host.engine.image(image)
    except EngineNotFound:
        return {}


def _name_of(host: Host, container: str) -> str | None:
    document = inspect_optional(host.engine, container)
    return document["Name"].lstrip("/") if document else None


class _step:
    """Turn whatever an act on the host raises into Broken with its reason."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, EngineError | NotAlive):
            raise Broken(self._code, error) from error
