"""One watched engine: what runs on it, what is newer, and what is stored of both."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.config import WatcherSettings
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.candidate import Transform, unchanged
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Invalid, SlipwayError
from chalicelib.domain.labels import canonical_name, flag
from chalicelib.domain.operation import original_name
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine, EngineNotFound
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.registry import RegistryDirectory
from chalicelib.ports.stores import AuditStore, ContainerStore, OperationStore
from local_runtime.executor.busy import Busy
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.inventory import describe, runtime_facts

log = logging.getLogger(__name__)

PARALLEL = 10
_SAVE_EVERY = 50
_FORMER = 5

Document = Mapping[str, Any]
Check = Callable[[Sequence[Container]], Iterable[Container]]
"""Ask the registries about containers; yields each with what was found, in any order."""


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


class Watcher:
    """Scans one engine. Safe to call from several threads; one scan runs at a time."""

    def __init__(self, agent: str, settings: WatcherSettings, engine: Engine, tools: Tools) -> None:
        self.agent = agent
        self.settings = settings
        self.engine = engine
        self._tools = tools
        self._scanning = threading.Lock()
        self.problem: str | None = None
        """Why the engine could not be read, last time."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.settings.name

    def scan(self, only: Sequence[Identity] | None = None) -> int:
        """Read the engine, ask the registries, store what changed; how many containers were checked.

        Raises EngineError when the engine cannot be read, and then nothing is forgotten.
        """
        with self._scanning:
            try:
                found = self._scan(only)
                self.problem = None
                return found
            except SlipwayError as error:
                self.problem = str(error)
                raise

    def refresh(self, container_id: str) -> Container | None:
        """Store what the engine says of one container now; None when it is gone or not watched."""
        document = inspect_optional(self.engine, container_id)
        if document is None:
            return None
        identity = self._identity(document["Name"])
        if identity is None or self._tools.busy.held(identity):
            return None
        known = self._tools.containers.get(identity)
        if known is None and not self._in_scope(document["Config"].get("Labels") or {}, document["State"]["Running"]):
            return None
        fresh = self.describe(document, identity)
        container = runtime_facts(known, fresh) if known is not None else fresh
        if container != known:
            self._tools.containers.save([container])
            if known is None:
                self._tools.audit.add([self._entry(container, "container-added")])
        return container

    def forget(self, container_id: str) -> None:
        """Remove the record of a container that the engine has removed, unless another bears its name by now."""
        for known in self._tools.containers.of_watcher(self.agent, self.name):
            if known.id != container_id or self._tools.busy.held(known.identity):
                continue
            if inspect_optional(self.engine, known.name) is not None:
                self.refresh(known.name)
            else:
                self._remove([known])

    def replaced(
        self, identity: Identity, container_id: str, former: Container | None, previous_id: str | None = None
    ) -> Container | None:
        """Store the container that stands there now; what was found about another one in its place is void.

        `previous_id` is the one Slipway has replaced: it may have been seen on its new id before it was told so.
        """
        document = inspect_optional(self.engine, container_id)
        if document is None:
            return None
        container = self.describe(document, identity)
        earlier = (previous_id, former.id if former else None, *(former.former_ids if former else ()))
        former_ids = tuple(dict.fromkeys(one for one in earlier if one not in (None, container.id)))[:_FORMER]
        if former is not None and former.id == container.id:
            container = runtime_facts(former, container)
        else:
            container = replace(container, applied_at=self._tools.clock.now())
        container = replace(container, former_ids=former_ids)
        if container != former:
            self._tools.containers.save([container])
        return container

    def describe(self, document: Document, identity: Identity) -> Container:
        """The container an inspect document describes. Raises EngineError when its image cannot be read."""
        try:
            image = self.engine.image(document["Image"])
        except EngineNotFound:
            # A container outlives its image's last tag, and on some engines the image itself.
            image = {"Id": document["Image"], "Architecture": "unknown", "Os": "linux"}
        container = describe(
            document, image, identity, name_of=self._tools.registries.name_of, transform=self._transform
        )
        return replace(container, watcher_policy=self.settings.policy)

    def check(self, containers: Sequence[Container]) -> int:
        """Ask the registries about these and store what changed; how many there were."""
        before = self._tools.busy.changes()
        known = {container.identity: container for container in containers}
        changed: list[Container] = []
        news: list[AuditEntry] = []
        for container in self._tools.check(containers):
            previous = known[container.identity]
            if container == previous or not self._tools.busy.unchanged(container.identity, before):
                continue
            changed.append(container)
            news += self._news(previous, container)
            if len(changed) >= _SAVE_EVERY:
                self._tools.containers.save(changed)
                changed = []
        self._tools.containers.save(changed)
        self._tools.audit.add(news)
        return len(containers)

    def _scan(self, only: Sequence[Identity] | None) -> int:
        before = self._tools.busy.changes()
        stored = {one.identity: one for one in self._tools.containers.of_watcher(self.agent, self.name)}
        # What an operation is about, perhaps since an earlier life of this executor, is told when that has ended.
        held = {operation.identity for operation in self._tools.operations.open_of(self.agent)}
        listed = {identity: one for identity, one in self._listed(only).items() if identity not in held}
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="inspect") as pool:
            described = pool.map(lambda item: self._describe_listed(item[0], item[1], stored), listed.items())
        present = [container for container in described if container is not None]
        current = [one for one in present if self._tools.busy.unchanged(one.identity, before)]
        new = [one for one in current if one.identity not in stored]
        self._tools.containers.save([one for one in current if one != stored.get(one.identity)])
        self._tools.audit.add([self._entry(container, "container-added") for container in new])
        if only is None:
            self._prune({identity: one for identity, one in stored.items() if identity not in held}, listed)
        return self.check(current)

    def _listed(self, only: Sequence[Identity] | None) -> dict[Identity, str]:
        """The containers to look at, by identity: their Docker ids."""
        wanted = None if only is None else set(only)
        found: dict[Identity, str] = {}
        for summary in self.engine.containers(all=True):
            names = summary.get("Names") or ()
            identity = self._identity(names[0]) if names else None
            if identity is None or (wanted is not None and identity not in wanted):
                continue
            running = summary.get("State") == "running"
            if wanted is None and not self._in_scope(summary.get("Labels") or {}, running):
                continue
            canonical = f"/{identity.name}" in names
            if identity not in found or canonical:
                found[identity] = summary["Id"]
        return found

    def _describe_listed(
        self, identity: Identity, container_id: str, stored: Mapping[Identity, Container]
    ) -> Container | None:
        """One container of a scan. Whatever is wrong with it stays its own problem."""
        known = stored.get(identity)
        try:
            document = inspect_optional(self.engine, container_id)
            if document is None:
                return None
            fresh = self.describe(document, identity)
        except (SlipwayError, KeyError, ValueError) as error:
            log.warning("container %s cannot be read: %s", identity.name, error)
            return replace(known, error=f"The container cannot be read: {error}") if known is not None else None
        return runtime_facts(known, fresh) if known is not None else fresh

    def _prune(self, stored: Mapping[Identity, Container], listed: Mapping[Identity, str]) -> None:
        """Forget what is gone or no longer to be watched. The list was read in full, or we would not be here."""
        gone = []
        for identity, known in stored.items():
            if identity in listed or self._tools.busy.held(identity):
                continue
            document = inspect_optional(self.engine, known.id)
            if document is not None and self._identity(document["Name"]) == identity:
                labels = document["Config"].get("Labels") or {}
                if self._watched(labels):
                    fresh = self.describe(document, identity)
                    container = runtime_facts(known, fresh)
                    if container != known:
                        self._tools.containers.save([container])
                    continue
            gone.append(known)
        self._remove(gone)

    def _remove(self, containers: Sequence[Container]) -> None:
        self._tools.containers.remove([container.identity for container in containers])
        self._tools.audit.add([self._entry(container, "container-removed") for container in containers])

    def _identity(self, engine_name: str) -> Identity | None:
        """Who a container is by its name; nobody while it is an update's set-aside copy."""
        name = engine_name.lstrip("/")
        if original_name(name) is not None:
            return None
        return Identity(self.agent, self.name, canonical_name(name))

    def _in_scope(self, labels: Mapping[str, str], running: bool) -> bool:
        return self._watched(labels) and (running or self.settings.watch_all)

    def _watched(self, labels: Mapping[str, str]) -> bool:
        wish = flag(labels, "watch")
        return self.settings.watch_by_default if wish is None else wish

    def _transform(self, formula: str | None) -> Transform:
        """A bad transform is the check's to report; here the tag is read as it is."""
        try:
            return self._tools.patterns.transform(formula) if formula else unchanged
        except Invalid:
            return unchanged

    def _news(self, before: Container, after: Container) -> list[AuditEntry]:
        """A row for a candidate that was not there before."""
        new, old = after.candidate, before.candidate
        if new is None or (old is not None and old.detected_at == new.detected_at):
            return []
        return [self._entry(after, "update-available", after.update.local_value, after.update.remote_value)]

    def _entry(
        self, container: Container, action: str, from_version: str | None = None, to_version: str | None = None
    ) -> AuditEntry:
        return AuditEntry(
            id=self._tools.clock.new_id(),
            at=self._tools.clock.now(),
            action=action,
            status="info",
            identity=container.identity,
            image=container.image.name,
            from_version=from_version,
            to_version=to_version,
        )
