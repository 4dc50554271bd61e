"""What every act on a host needs, in one value, and how the host looks for an operation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.config import Settings
from chalicelib.domain.operation import Operation
from chalicelib.domain.recovery import Observed, Seen
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine, EngineNotFound
from chalicelib.ports.registry import RegistryDirectory
from chalicelib.ports.stores import BackupStore, OperationStore


@dataclass(frozen=True, slots=True)
class Host:
    """One Docker engine with the stores that remember what is done to it."""

    engine: Engine
    operations: OperationStore
    backups: BackupStore
    registries: RegistryDirectory
    clock: Clock
    settings: Settings

    def backup_count(self, trigger: str | None) -> int:
        """How many backups the docker action of that id keeps."""
        name = (trigger or "").rpartition(".")[2]
        counts = {action.name: action.backup_count for action in self.settings.docker_actions}
        return counts.get(name, 3)


def inspect_optional(engine: Engine, container: str | None) -> Mapping[str, Any] | None:
    """The inspect document, or nothing when there is no such container."""
    if container is None:
        return None
    try:
        return engine.inspect(container)
    except EngineNotFound:
        return None


def observe(engine: Engine, operation: Operation) -> Observed:
    """The old container, its replacement, and whoever else holds the name.

    A replacement whose id was never recorded is known by the name and the image it was created from.
    """
    old = inspect_optional(engine, operation.container_id)
    new = inspect_optional(engine, operation.new_container_id)
    holder = inspect_optional(engine, operation.identity.name)
    stranger = None
    if holder is not None and holder["Id"] not in (operation.container_id, operation.new_container_id):
        if new is None and operation.new_image_id is not None and holder["Image"] == operation.new_image_id:
            new = holder
        else:
            stranger = holder
    return Observed(_seen(old), _seen(new), _seen(stranger))


def _seen(inspect: Mapping[str, Any] | None) -> Seen | None:
    if inspect is None:
        return None
    state = inspect["State"]
    return Seen(
        id=inspect["Id"],
        name=inspect["Name"].lstrip("/"),
        running=bool(state.get("Running")),
        health=(state.get("Health") or {}).get("Status"),
    )
