"""One watched engine: what runs on it, what is newer, and what is stored of both."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from chalicelib.config import WatcherSettings
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.patterns import PatternCompiler
from chalicelib.ports.registry import RegistryDirectory
from chalicelib.ports.stores import AuditStore, ContainerStore, OperationStore
from local_runtime.executor.busy import Busy
from local_runtime.executor.images import Images
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.inventory import inherited_security, runtime_facts, with_findings
from local_runtime.executor.progress import Progress
from local_runtime.executor.survey import Survey

log = logging.getLogger(__name__)

PARALLEL = 10
_SAVE_EVERY = 50
_FORMER = 5
_FEW = 5

Document = Mapping[str, Any]


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
    merge: Callable[[Container, Container], Container] = with_findings
    """What is stored of a container, with what a check of it found."""


class Watcher:
    """Scans one engine. Safe to call from several threads; one scan runs at a time."""

    def __init__(self, agent: str, settings: WatcherSettings, engine: Engine, tools: Tools) -> None:
        self.agent = agent
        self.settings = settings
        self.engine = engine
        self._tools = tools
        self._scanning = threading.Lock()
        self._writing = threading.RLock()
        self._refreshed: Counter[Identity] = Counter()
        self._survey = Survey(agent, settings, engine, tools.registries.name_of, tools.patterns)
        self.progress = Progress(settings.name, tools.clock)
        self.problem: str | None = settings.problem
        """Why the engine could not be read, last time."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.settings.name

    def scan(self, only: Sequence[Identity] | None = None, *, since: datetime | None = None, ask: bool = True) -> int:
        """Read the engine, ask the registries, store what changed; how many containers were checked.

        `since`: what registries answered before does not count. Without `ask` they are left alone. Raises EngineError
        when the engine cannot be read, and then nothing is forgotten.
        """
        with self._scanning:
            progress = self.progress if only is None else None
            if progress is not None:
                progress.begin()
            try:
                current = self._read(only)
                found = self.check(current, since, progress) if ask else 0
                self.problem = None
            except SlipwayError as error:
                self.problem = str(error)
                raise
            finally:
                if progress is not None:
                    progress.end(self.problem)
            return found

    def catch_up(self) -> int:
        """Read the engine after events may have been missed; only what was never checked is asked about.

        A connection that stayed silent breaks off every few minutes, and registries must not suffer from that.
        """
        with self._scanning:
            try:
                current = self._read(None)
                self.problem = None
            except SlipwayError as error:
                self.problem = str(error)
                raise
            return self.check([one for one in current if one.result is None and one.error is None])

    def refresh(self, container_id: str) -> Container | None:
        """Store what the engine says of one container now; None when it is gone or not watched."""
        document = inspect_optional(self.engine, container_id)
        if document is None:
            return None
        identity = self._survey.identity(document["Name"])
        if identity is None or self._tools.busy.held(identity):
            return None
        with self._writing:
            # Looked at once more: while one waited here, somebody else may have stored what came after.
            document = inspect_optional(self.engine, container_id)
            if document is None or self._survey.identity(document["Name"]) != identity:
                return None
            return self._refresh(identity, document)

    def amend(self, identity: Identity, change: Callable[[Container], Container]) -> Container | None:
        """Store what `change` makes of the container as it is stored now; None when it is not stored any more."""
        with self._writing:
            now = self._tools.containers.get(identity)
            if now is None:
                return None
            changed = change(now)
            if changed != now:
                self._tools.containers.save([changed])
                # A scan that has read the container before must not write over this.
                self._refreshed[identity] += 1
            return changed

    def _refresh(self, identity: Identity, document: Document) -> Container | None:
        known = self._tools.containers.get(identity)
        labels = document["Config"].get("Labels") or {}
        if known is None and not self._survey.in_scope(labels, document["State"]["Running"]):
            return None
        fresh = self._survey.describe(document, identity)
        container = runtime_facts(known, fresh) if known is not None else fresh
        self._refreshed[identity] += 1
        if container != known:
            self._tools.containers.save([container])
            if known is None:
                self._tools.audit.add([self._entry(container, "container-added")])
                self._remove_former_names(container)
        return container

    def _remove_former_names(self, container: Container) -> None:
        """A renamed container has one record, under its new name."""
        stored = self._tools.containers.of_watcher(self.agent, self.name)
        others = [one for one in stored if one.id == container.id and one.identity != container.identity]
        self._remove([one for one in others if not self._tools.busy.held(one.identity)])

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
        container = self._survey.describe(document, identity)
        earlier = (previous_id, former.id if former else None, *(former.former_ids if former else ()))
        former_ids = tuple(dict.fromkeys(one for one in earlier if one not in (None, container.id)))[:_FORMER]
        if former is not None and former.id == container.id:
            container = runtime_facts(former, container)
        else:
            security = inherited_security(former, container)
            container = replace(container, applied_at=self._tools.clock.now(), security=security)
        container = replace(container, former_ids=former_ids)
        if container != former:
            self._tools.containers.save([container])
        return container

    def check(
        self, containers: Sequence[Container], since: datetime | None = None, progress: Progress | None = None
    ) -> int:
        """Ask the registries about these and store what changed; how many there were."""
        if progress is not None:
            progress.expect(len(containers))
        before = self._tools.busy.changes()
        known = {container.identity: container for container in containers}
        found: list[Container] = []
        changed: list[Container] = []
        for container in self._tools.check(containers, since):
            if progress is not None:
                progress.step(failed=container.error is not None)
            found.append(container)
            if container != known[container.identity] and self._tools.busy.unchanged(container.identity, before):
                changed.append(container)
            if len(changed) >= _SAVE_EVERY:
                self._store_findings(changed)
                changed = []
        self._store_findings(changed)
        self._tools.checked([one for one in found if self._tools.busy.unchanged(one.identity, before)])
        return len(containers)

    def _store_findings(self, checked: Sequence[Container]) -> None:
        """Store what checks found, together with what the engine has told since they began."""
        with self._writing:
            stored = {one.identity: one for one in self._stored_of({one.identity for one in checked})}
            changed: list[Container] = []
            news: list[AuditEntry] = []
            for one in checked:
                now = stored.get(one.identity)
                container = now and self._tools.merge(now, one)
                if now is not None and container is not None and container != now:
                    changed.append(container)
                    news += self._news(now, container)
            self._tools.containers.save(changed)
            self._tools.audit.add(news)

    def _stored_of(self, identities: AbstractSet[Identity]) -> list[Container]:
        """What is stored of these now: one reading for many of them."""
        if len(identities) > _FEW:
            stored = self._tools.containers.of_watcher(self.agent, self.name)
            return [one for one in stored if one.identity in identities]
        return [one for identity in identities if (one := self._tools.containers.get(identity)) is not None]

    def _read(self, only: Sequence[Identity] | None) -> list[Container]:
        """Store what the engine says now; the containers to ask about."""
        before = self._tools.busy.changes()
        with self._writing:
            stored = {one.identity: one for one in self._tools.containers.of_watcher(self.agent, self.name)}
            refreshed = self._refreshed.copy()
        # What an operation is about, perhaps since an earlier life of this executor, is told when that has ended.
        held = {operation.identity for operation in self._tools.operations.open_of(self.agent)}
        listed = {identity: one for identity, one in self._survey.listed(only).items() if identity not in held}
        images = Images(self.engine)
        with ThreadPoolExecutor(PARALLEL, thread_name_prefix="inspect") as pool:
            described = pool.map(lambda item: self._describe_listed(item[0], item[1], stored, images), listed.items())
        present = [container for container in described if container is not None]
        current = [one for one in present if self._tools.busy.unchanged(one.identity, before)]
        with self._writing:
            # An event that came since its container was read has been stored, and is the later word.
            overtaken = {one.identity for one in current if self._refreshed[one.identity] != refreshed[one.identity]}
            current = [one for one in current if one.identity not in overtaken] + self._stored_of(overtaken)
            new = [one for one in current if one.identity not in stored and one.identity not in overtaken]
            fresh = [one for one in current if one.identity not in overtaken and one != stored.get(one.identity)]
            self._tools.containers.save(fresh)
            self._tools.audit.add([self._entry(container, "container-added") for container in new])
        if only is None:
            self._prune({identity: one for identity, one in stored.items() if identity not in held}, listed)
        return current

    def _describe_listed(
        self, identity: Identity, container_id: str, stored: Mapping[Identity, Container], images: Images
    ) -> Container | None:
        """One container of a scan. Whatever is wrong with it stays its own problem."""
        known = stored.get(identity)
        try:
            document = inspect_optional(self.engine, container_id)
            if document is None:
                return None
            fresh = self._survey.describe(document, identity, images)
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
            try:
                if not self._still_there(known):
                    gone.append(known)
            except (SlipwayError, KeyError, ValueError) as error:
                # What could not be looked at is not known to be gone.
                log.warning("container %s cannot be read: %s", identity.name, error)
        self._remove(gone)

    def _still_there(self, known: Container) -> bool:
        """Whether a container that was not listed exists all the same, and is to be watched; then it is refreshed."""
        document = inspect_optional(self.engine, known.id)
        if document is None or self._survey.identity(document["Name"]) != known.identity:
            return False
        if not self._survey.watched(document["Config"].get("Labels") or {}):
            return False
        container = runtime_facts(known, self._survey.describe(document, known.identity))
        if container != known:
            self._tools.containers.save([container])
        return True

    def _remove(self, containers: Sequence[Container]) -> None:
        self._tools.containers.remove([container.identity for container in containers])
        self._tools.audit.add([self._entry(container, "container-removed") for container in containers])

    def _news(self, before: Container, after: Container) -> list[AuditEntry]:
        """A row for a candidate that was not there before."""
        new, old = after.candidate, before.candidate
        if new is None or (old is not None and old.kind == new.kind):
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
