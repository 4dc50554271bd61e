"""What a watcher sees on its engine: which containers are meant, who they are, and what they run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.config import WatcherSettings
from chalicelib.domain.candidate import Transform, unchanged
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Invalid
from chalicelib.domain.labels import canonical_name, flag
from chalicelib.domain.operation import original_name
from chalicelib.domain.reference import Reference
from chalicelib.ports.engine import Engine
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.registry import RegistryName
from local_runtime.executor.watching.images import Images
from local_runtime.executor.watching.inventory import describe

Document = Mapping[str, Any]

_RUNNING = frozenset({"running", "paused", "restarting"})
"""What the engine itself lists as running."""


class Survey:
    """One engine seen through a watcher's settings. `name_of` says which registry is in charge of an image."""

    def __init__(
        self,
        agent: str,
        settings: WatcherSettings,
        engine: Engine,
        name_of: Callable[[Reference], RegistryName],
        patterns: PatternCompiler,
    ) -> None:
        self.engine = engine
        self._agent = agent
        self._settings = settings
        self._name_of = name_of
        self._patterns = patterns
        self._defaults = {"tag.family": settings.tag_family} if settings.tag_family else {}

    def describe(self, document: Document, identity: Identity, images: Images | None = None) -> Container:
        """The container an inspect document describes. Raises EngineError when its image cannot be read."""
        images = images or Images(self.engine)
        container = describe(
            document,
            images.get(document["Image"]),
            identity,
            labels=images.labels(document["Config"].get("Labels") or {}),
            name_of=self._name_of,
            transform=self._transform,
            image_sets=self._settings.image_sets,
            defaults=self._defaults,
        )
        return replace(container, watcher_policy=self._settings.policy)

    def listed(self, only: Sequence[Identity] | None, images: Images) -> dict[Identity, Document]:
        """The containers to look at, by identity: what the engine's list says of each. Raises EngineError."""
        wanted = None if only is None else set(only)
        found: dict[Identity, Document] = {}
        for summary in self.engine.containers(all=True):
            names = summary.get("Names") or ()
            identity = self.identity(names[0]) if names else None
            if identity is None or (wanted is not None and identity not in wanted):
                continue
            running = summary.get("State") in _RUNNING
            if wanted is None and not self.in_scope(images.labels(summary.get("Labels") or {}), running):
                continue
            canonical = f"/{identity.name}" in names
            if identity not in found or canonical:
                found[identity] = summary
        return found

    def identity(self, engine_name: str) -> Identity | None:
        """Who a container is by its name; nobody while it is an update's set-aside copy."""
        name = engine_name.lstrip("/")
        if original_name(name) is not None:
            return None
        return Identity(self._agent, self._settings.name, canonical_name(name))

    def in_scope(self, labels: Mapping[str, str], running: bool) -> bool:
        """Whether a container that is not known yet is to be watched."""
        return self.watched(labels) and (running or self._settings.watch_all)

    def watched(self, labels: Mapping[str, str]) -> bool:
        """Whether its label, or else the watcher's settings, want it watched."""
        wish = flag(labels, "watch")
        return self._settings.watch_by_default if wish is None else wish

    def _transform(self, formula: str | None) -> Transform:
        """A bad transform is the check's to report; here the tag is read as it is."""
        try:
            return self._patterns.transform(formula) if formula else unchanged
        except Invalid:
            return unchanged
