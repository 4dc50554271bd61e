"""What an update would change, found out without pulling anything or touching the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from chalicelib.domain.command import Command, subject
from chalicelib.domain.container import Platform
from chalicelib.domain.errors import NotFound
from chalicelib.domain.operation import Operation
from chalicelib.domain.reference import Reference
from chalicelib.ports.registry import RegistryError
from local_runtime.engine.differences import differences
from local_runtime.engine.replica import Replica, plan_replica
from local_runtime.executor.compose.foretell import foretell
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import image_or_nothing, inspect_optional, require_same_platform

Document = Mapping[str, Any]
Result = Mapping[str, Any]
Compose = Callable[[Host, Operation, Document], Result | None]
"""What would become of the compose file of that container (inspect document); nothing when it has none."""


def preview(host: Host, command: Command, compose: Compose = foretell) -> Result:
    """What the command's update would change. Raises NotFound, Failed, EngineError or RegistryError."""
    identity, container_id = subject(command)
    source = inspect_optional(host.engine, container_id)
    if source is None:
        raise NotFound(f"{identity.name} is gone from its host")
    old_image = image_or_nothing(host.engine, source["Image"])
    operation = _operation(command)
    new_image = _target(host, operation, source, old_image)
    require_same_platform(old_image, new_image, operation.target_image or "")
    was = old_image or {"Id": source["Image"]}
    planned = _planner(host, operation, source, old_image)
    before = planned(was, image=str(source["Config"]["Image"]))
    after = planned(new_image, image=operation.target_image or "")
    found = {
        "is_running": bool(source["State"].get("Running")),
        "networks": sorted(source["NetworkSettings"].get("Networks") or {}),
        "changes": [asdict(one) for one in differences(before, was, after, new_image)],
    }
    told = compose(host, operation, source)
    return found if told is None else found | {"compose": told}


def _operation(command: Command) -> Operation:
    """The update that would be asked for; it is in no ledger."""
    identity, container_id = subject(command)
    asked, at = command.arguments, command.created_at
    return Operation(
        command.id,
        identity,
        container_id,
        at,
        at,
        trigger=asked.get("trigger"),
        from_version=asked.get("from_version"),
        to_version=asked.get("to_version"),
        target_image=asked.get("target_image"),
    )


def _target(host: Host, operation: Operation, source: Document, old_image: Document) -> Document:
    """The image as the registry describes it; one the registry does not know may still be here."""
    wanted = Reference.parse(operation.target_image or "")
    platform = Platform(
        old_image.get("Architecture") or "amd64", old_image.get("Os") or "linux", old_image.get("Variant") or None
    )
    try:
        image_id, document = host.registries.cycle().config(wanted, platform)
    except RegistryError:
        here = image_or_nothing(host.engine, wanted.familiar)
        newer_elsewhere = operation.from_version != operation.to_version and here.get("Id") == source["Image"]
        if not here or newer_elsewhere:
            raise
        return here
    return {
        "Id": image_id,
        "Os": document.get("os") or platform.os,
        "Architecture": document.get("architecture") or platform.architecture,
        "Config": document.get("config") or {},
    }


def _planner(host: Host, operation: Operation, source: Document, old_image: Document) -> Callable[..., Replica]:
    """The plan of a copy on any image; what the engine says of itself is asked once."""
    info = host.engine.info()
    return partial(
        plan_replica,
        source,
        old_image,
        name=operation.identity.name,
        api_version=host.engine.api_version(),
        default_runtime=info.get("DefaultRuntime"),
        host_name=info.get("Name"),
    )
