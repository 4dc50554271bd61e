"""What every act on a host needs, in one value, and how the host looks for an operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.config import DockerActionSettings, Settings
from chalicelib.domain.operation import Operation
from chalicelib.domain.recovery import Observed, Seen
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.registry import RegistryDirectory
from chalicelib.ports.stores import AuditStore, BackupStore, ContainerStore, OperationStore
from local_runtime.executor.aftercare.dependents import Households
from local_runtime.executor.claim import Claim
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.security.gatekeeper import Gatekeeper
from local_runtime.executor.updating.blueprints import Blueprints

Document = Mapping[str, Any]

Witness = Callable[["Host", str, Callable[[], object]], None]

_VANISHING_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Host:
    """One Docker engine, held by a claim, with the stores that remember what is done to it."""

    engine: Engine
    claim: Claim
    operations: OperationStore
    containers: ContainerStore
    backups: BackupStore
    blueprints: Blueprints
    registries: RegistryDirectory
    clock: Clock
    settings: Settings
    gatekeeper: Gatekeeper
    audit: AuditStore
    households: Households
    witness: Witness | None = None
    """What more a new container must show than that it runs and is healthy; raises when it does not, and is given a
    function to be called while it waits."""

    def action(self, trigger: str | None) -> DockerActionSettings:
        """The docker action of that id, or one with the default settings."""
        kind, _, name = (trigger or "").rpartition(".")
        for one in self.settings.triggers.triggers:
            if kind == "dockercompose" and one.id == trigger:
                said = one.configuration
                return DockerActionSettings(name, said["prune"], said["dryrun"], said["backupcount"])
        return next((one for one in self.settings.docker_actions if one.name == name), DockerActionSettings(name))


def observe(host: Host, operation: Operation) -> Observed:
    """The old container, its replacement, and whoever else holds the name.

    The old one may have been made once more, under another id. A replacement whose id was never recorded is known by
    the name, by its image, and by never having been started: that only happens once its id is recorded.
    """
    engine = host.engine
    old = (
        _lasting(engine, operation.container_id)
        or _lasting(engine, host.blueprints.made(operation.id))
        or _lasting(engine, operation.temp_name)
    )
    new = _lasting(engine, operation.new_container_id)
    holder = _lasting(engine, operation.identity.name)
    stranger = None
    if holder is not None and holder["Id"] not in (_id(old), _id(new)):
        if new is None and holder["Image"] == operation.new_image_id and holder["State"]["Status"] == "created":
            new = holder
        else:
            stranger = holder
    recreatable = old is None and host.blueprints.find(operation.id) is not None
    return Observed(_seen(old), _seen(new), _seen(stranger), recreatable)


def _lasting(engine: Engine, container: str | None) -> Document | None:
    """A container's document, unless the engine is about to remove it by itself: then its end is waited for."""
    document = inspect_optional(engine, container)
    if document is None or not _vanishing(document):
        return document
    return None if engine.wait_removed(document["Id"], _VANISHING_SECONDS) else inspect_optional(engine, container)


def _vanishing(document: Document) -> bool:
    state = document["State"]
    if state.get("Status") in ("removing", "dead"):
        return True
    has_run = not state.get("Running") and state.get("Status") != "created"
    return has_run and bool((document.get("HostConfig") or {}).get("AutoRemove"))


def restart_of(inspect: Document) -> str | None:
    """A container's restart policy in a word: `always`, `on-failure:3`; nothing when it has none."""
    policy = (inspect.get("HostConfig") or {}).get("RestartPolicy") or {}
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return None if name == "no" else f"{name}:{most}" if most else str(name)


def restart_policy(word: str | None) -> Document:
    """The same as the engine wants it."""
    name, _, most = (word or "no").partition(":")
    return {"Name": name, "MaximumRetryCount": int(most or 0)}


def _id(inspect: Document | None) -> str | None:
    return inspect["Id"] if inspect is not None else None


def _seen(inspect: Document | None) -> Seen | None:
    if inspect is None:
        return None
    state = inspect["State"]
    return Seen(
        id=inspect["Id"],
        name=inspect["Name"].lstrip("/"),
        running=bool(state.get("Running")),
        health=(state.get("Health") or {}).get("Status"),
        restart=restart_of(inspect),
    )
