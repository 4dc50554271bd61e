"""Keeping a container's compose file in step: looked at before the host is touched, changed once the move is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalicelib.domain.audit import about
from chalicelib.domain.compose import FILE_LABEL, LeftAlone, Move, NotEditable, Service, drift, rewritten
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Failed, Invalid
from chalicelib.domain.operation import ROLLBACK, UPDATE, Operation, Phase
from chalicelib.domain.post_start import Execution, post_start
from chalicelib.domain.reference import Reference
from chalicelib.ports.engine import EngineNotFound
from local_runtime.executor.compose.edit import ComposeFile
from local_runtime.executor.compose.places import (
    Mount,
    configured_file,
    included,
    mounts_of,
    regular_file,
    seen_from_here,
    within,
)
from local_runtime.executor.compose.write import Files, locked
from local_runtime.executor.deputies.itself import Itself
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional

TRIGGER = "dockercompose"
_DIGEST = "sha256:"
_MOST_FILES = 20
_ITSELF = Itself()


@dataclass(frozen=True, slots=True)
class Options:
    """What a compose trigger says of files; `reconciliation` is `warn`, `block` or `off`."""

    file: str | None = None
    backup: bool = False
    label: str = FILE_LABEL
    reconciliation: str = "warn"
    pin: bool = False
    dry_run: bool = False

    @classmethod
    def of(cls, configuration: Mapping[str, Any]) -> Options:
        """From a trigger's configuration."""
        return cls(
            file=configuration.get("file"),
            backup=bool(configuration.get("backup")),
            label=str(configuration.get("composefilelabel") or FILE_LABEL),
            reconciliation=str(configuration.get("reconciliationmode") or "warn"),
            pin=bool(configuration.get("digestpinning")),
            dry_run=bool(configuration.get("dryrun")),
        )


@dataclass(frozen=True, slots=True)
class Change:
    """One file with its image changed; `before` equals `after` when it says the right thing already."""

    path: Path
    chain: tuple[Path, ...]
    service: str
    before: bytes
    after: bytes
    old: str
    new: str
    warning: str | None = None


def options_of(host: Host, operation: Operation) -> Options | None:
    """The compose trigger the operation was asked for by; None when that is another kind of trigger."""
    for trigger in host.settings.triggers.triggers:
        if trigger.type == TRIGGER and trigger.id == operation.trigger:
            return Options.of(trigger.configuration)
    return None


def planned(
    service: Service, move: Move, options: Options, mounts: Sequence[Mount] | None, *, bound: bool = True
) -> Change:
    """The change of the last file of the chain that says the service's image. Reads only. Raises NotEditable.

    `bound` says whether a trigger with a file keeps to it.
    """
    chain = _chain(service, options, mounts)
    read = {path: ComposeFile(path.read_bytes()) for path in chain}
    for path in reversed(chain):
        file = read[path]
        place = file.image(service.name)
        if place is None:
            base = file.extends(service.name)
            if base is not None:
                raise NotEditable(f"its image comes from {base}, which others may share; give it an image of its own")
            continue
        if bound and not within(path, options.file):
            raise NotEditable(f"{path} is not below {options.file}, which is all this trigger may change")
        new = rewritten(place.text, move)
        odd = drift(place.text, move) if new != place.text else None
        if odd is not None and options.reconciliation == "block":
            raise NotEditable(odd)
        after = file.with_image(service.name, new)
        warning = odd if options.reconciliation == "warn" else None
        return Change(path, chain, service.name, file.content, after, place.text, new, warning)
    raise NotEditable(f"no image is said for service {service.name} in {', '.join(map(str, chain))}")


def commands_of(service: Service, options: Options, mounts: Sequence[Mount] | None) -> list[Execution]:
    """What compose would run in the service's container once it has started. Raises NotEditable."""
    files = (ComposeFile(path.read_bytes()) for path in _chain(service, options, mounts))
    return [post_start(entry) for file in files for entry in file.post_start(service.name)]


def require_editable(host: Host, operation: Operation, source: Mapping[str, Any], digest: str | None) -> None:
    """Prove, before the host is touched, that the compose file can be read and brought in step. Raises Failed.

    A way back is never refused for the sake of a file.
    """
    found = subject_of(host, operation, source)
    if found is None or operation.kind != UPDATE:
        return
    service, options = found
    mounts = mounts_for(host, operation)
    try:
        commands_of(service, options, mounts)
        change = planned(service, move_of(replace(operation, bound_digest=digest), options), options, mounts)
        if change.after != change.before:
            _files(host).rehearse(change.path, change.after)
    except LeftAlone as why:
        if options.reconciliation == "block":
            raise Failed(f"The container is not touched: {why}") from why
    except (NotEditable, OSError) as why:
        raise Failed(f"The container is not touched: {why}") from why


def keep_in_step(host: Host, operation: Operation, _container: Container | None) -> None:
    """Once the move is committed, let the file say what runs. Told again, it finds nothing left to do."""
    if operation.phase is not Phase.SUCCEEDED or not operation.committed:
        return
    document = inspect_optional(host.engine, operation.new_container_id)
    found = subject_of(host, operation, document) if document is not None else None
    if found is None:
        return
    service, options = found
    try:
        _edit(host, operation, service, options)
    except LeftAlone as why:
        if options.reconciliation != "off":
            note(host, operation, "info", f"the compose file was left alone: {why}")
    except (NotEditable, OSError) as why:
        note(host, operation, "error", f"the compose file still says the former image: {why}")


def move_of(operation: Operation, options: Options) -> Move:
    """Where the operation takes the image. Raises NotEditable for an image that has no name."""
    try:
        target = Reference.parse(operation.target_image or "")
    except Invalid as error:
        raise NotEditable(f"the image has no name a compose file could say: {error}") from error
    former = operation.from_version or ""
    running = replace(target, tag=target.tag if former.startswith(_DIGEST) else former or target.tag, digest=None)
    digest = target.digest or operation.bound_digest or operation.wanted_digest
    return Move(running, target.tag, digest, options.pin)


def _edit(host: Host, operation: Operation, service: Service, options: Options) -> None:
    move, mounts, files = move_of(operation, options), mounts_for(host, operation), _files(host)
    path = planned(service, move, options, mounts).path
    with locked(path):
        files.mend(path)
        # Read again: whoever held the lock may have changed it.
        change = planned(service, move, options, mounts)
        if change.after == change.before:
            return
        host.claim.require()
        files.replace(change.path, change.before, change.after, backup=options.backup)
    told = f"{change.path}: {change.old} became {change.new}"
    note(host, operation, "success", f"{told} ({change.warning})" if change.warning else told)


def _chain(service: Service, options: Options, mounts: Sequence[Mount] | None) -> tuple[Path, ...]:
    """Every file that may say something of the service, in the order in which they override one another."""
    named = [seen_from_here(name, mounts) for name in service.files]
    if not named and options.file is not None:
        named = [configured_file(options.file)]
    if not named:
        raise NotEditable("no compose file is known: set the label dd.compose.file, or FILE of the trigger")
    found: dict[Path, None] = {}
    for path in named:
        _follow(regular_file(path), found, set())
    return tuple(found)


def _follow(path: Path, found: dict[Path, None], on_the_way: set[Path]) -> None:
    if path in found or path in on_the_way:
        return
    if len(found) + len(on_the_way) >= _MOST_FILES:
        raise NotEditable(f"there are more than {_MOST_FILES} compose files")
    file = ComposeFile(path.read_bytes())
    for one in included(file.includes(), path):
        _follow(regular_file(one), found, on_the_way | {path})
    found[path] = None


def subject_of(host: Host, operation: Operation, document: Mapping[str, Any]) -> tuple[Service, Options] | None:
    """The service and the trigger; nothing when either has nothing to do with compose."""
    options = options_of(host, operation) if operation.kind in (UPDATE, ROLLBACK) else None
    if options is None or options.dry_run:
        return None
    service = Service.of(_own_labels(host, document), options.label)
    return (service, options) if service is not None else None


def _own_labels(host: Host, document: Mapping[str, Any]) -> dict[str, str]:
    """What whoever made the container put on it: a label that came with its image must not lead to a file.

    Without the image nobody can tell the two apart, so then it is none.
    """
    labels = (document.get("Config") or {}).get("Labels") or {}
    try:
        image = host.engine.image(document["Image"])
    except EngineNotFound:
        return {}
    of_image = (image.get("Config") or {}).get("Labels") or {}
    return {name: value for name, value in labels.items() if of_image.get(name) != value}


def mounts_for(host: Host, operation: Operation) -> tuple[Mount, ...] | None:
    """How this executor's own container sees the host; None when it runs in none of the engine's."""
    own = _ITSELF.on(operation.identity.watcher, host.engine)
    return mounts_of(host.engine.inspect(own[0])) if own else None


def _files(host: Host) -> Files:
    return Files(host.settings.data / "compose")


def note(host: Host, operation: Operation, status: str, details: str, action: str = "compose-file") -> None:
    """One row of the audit log for each way such an action may end."""
    host.audit.add([about(operation, action, status, details, at=operation.updated_at, row=f"{action}:{status}")])
