"""What the watchers of one executor work with besides their engines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from chalicelib.domain.container import Container
from chalicelib.ports.clock import Clock
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.registry import RegistryDirectory
from chalicelib.ports.stores import AuditStore, ContainerStore, OperationStore
from local_runtime.executor.busy import Busy
from local_runtime.executor.watching.inventory import with_findings


class Check(Protocol):
    """Ask the registries about containers; yields each with what was found, in any order."""

    def __call__(self, containers: Sequence[Container], since: datetime | None = None) -> Iterable[Container]:
        """`since`: answers from before do not count."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What a watcher works with besides its engine."""

    containers: ContainerStore
    operations: OperationStore
    audit: AuditStore
    registries: RegistryDirectory
    patterns: PatternCompiler
    check: Check
    clock: Clock
    busy: Busy
    checked: Callable[[Sequence[Container]], object] = lambda _: None
    """Told of the containers of every check, once they are stored."""
    removed: Callable[[Sequence[Container]], object] = lambda _: None
    """Told of containers that are gone, before their records go: who dies in between tells it again."""
    merge: Callable[[Container, Container], Container] = with_findings
    """What is stored of a container, with what a check of it found."""
