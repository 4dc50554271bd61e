"""One watched engine: what runs on it, what is newer, and what is stored of both."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.engine import Engine
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.tools import Tools
from local_runtime.executor.watching.images import Images
from local_runtime.executor.watching.inventory import inherited_security, moment, runs_the_same, runtime_facts
from local_runtime.executor.watching.progress import Progress
from local_runtime.executor.watching.reading import Reading
from local_runtime.executor.watching.records import Records
from local_runtime.executor.watching.settling import Settling
from local_runtime.executor.watching.survey import Survey

_SAVE_EVERY = 50
_FORMER = 5

Document = Mapping[str, Any]


class Watcher:
    """Scans one engine. Safe to call from several threads; one scan runs at a time."""

    def __init__(self, agent: str, settings: WatcherSettings, engine: Engine, tools: Tools) -> None:
        self.agent = agent
        self.settings = settings
        self.engine = engine
        self._tools = tools
        self._scanning = threading.Lock()
        self._survey = Survey(agent, settings, engine, tools.registries.name_of, tools.patterns)
        self._records = Records(agent, settings.name, tools.containers, tools.audit, tools.clock, tools.removed)
        self._settling = Settling(settings.name, settings.discovery_settle_ms / 1000, tools.clock, self.discover)
        self._reading = Reading(
            engine,
            self._survey,
            self._records,
            self._settling,
            tools.operations,
            tools.busy,
            agent,
            tools.clock,
            followed=settings.watch_events,
        )
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
                if since is not None:
                    self._reading.forget_looks()
                current = self._read(only)
                found = self.check(current, since, progress) if ask else 0
            finally:
                if progress is not None:
                    progress.end(self.problem)
            return found

    def catch_up(self) -> int:
        """Read the engine after events may have been missed; only what was never checked is asked about.

        A connection that stayed silent breaks off every few minutes, and registries must not suffer from that.
        """
        with self._scanning:
            self._reading.doubt_looks()
            current = self._read(None)
            return self.check([one for one in current if one.result is None and one.error is None])

    def _read(self, only: Sequence[Identity] | None) -> list[Container]:
        try:
            current = self._reading.read(only)
        except SlipwayError as error:
            self.problem = str(error)
            raise
        self.problem = None
        return current

    def discover(self, container_id: str) -> None:
        """Store what the engine says of one container now, and ask about it when that was never done."""
        container = self.refresh(container_id)
        if container is not None and container.result is None and container.error is None:
            self.check([container])

    def refresh(self, container_id: str) -> Container | None:
        """Store what the engine says of one container now; None when it is gone, not watched, or not shown yet."""
        self._reading.forget_look(container_id)
        document = inspect_optional(self.engine, container_id)
        if document is None:
            return None
        self._reading.forget_look(document["Id"])
        identity = self._survey.identity(document["Name"])
        if identity is None or self._tools.busy.held(identity):
            return None
        with self._records.writing:
            # Looked at once more: while one waited here, somebody else may have stored what came after.
            document = inspect_optional(self.engine, container_id)
            if document is None or self._survey.identity(document["Name"]) != identity:
                return None
            return self._refresh(identity, document)

    def amend(self, identity: Identity, change: Callable[[Container], Container]) -> Container | None:
        """Store what `change` makes of the container as it is stored now; None when it is not stored any more."""
        return self._records.amend(identity, change)

    def _refresh(self, identity: Identity, document: Document) -> Container | None:
        known = self._records.get(identity)
        images = Images(self.engine)
        labels = images.labels(document["Config"].get("Labels") or {})
        if known is None and not self._survey.in_scope(labels, document["State"]["Running"]):
            return None
        if known is None and self._waits(document):
            return None
        fresh = self._survey.describe(document, identity, images)
        container = runtime_facts(known, fresh) if known is not None else fresh
        self._records.speak(identity)
        if container != known:
            self._records.save([container])
            if known is None:
                self._records.add([container])
                self._remove_former_names(container)
        return container

    def _waits(self, document: Document) -> bool:
        """Whether a container nobody knows is not to be shown yet; one that was merely renamed is known."""
        name, made = document["Name"].lstrip("/"), moment(document.get("Created"))
        if not self._settling.waits(document["Id"], name, made):
            return False
        return all(one.id != document["Id"] for one in self._records.all())

    def _remove_former_names(self, container: Container) -> None:
        """A renamed container has one record, under its new name."""
        stored = self._records.all()
        others = [one for one in stored if one.id == container.id and one.identity != container.identity]
        self._records.remove([one for one in others if not self._tools.busy.held(one.identity)])

    def forget(self, container_id: str) -> None:
        """Remove the record of a container that the engine has removed, unless another bears its name by now.

        Compose names the next one `{12 hex of this one}_{name}` for a moment.
        """
        self._reading.forget_look(container_id)
        for known in self._records.all():
            if known.id != container_id or self._tools.busy.held(known.identity):
                continue
            for name in (known.name, f"{container_id[:12]}_{known.name}"):
                if inspect_optional(self.engine, name) is not None:
                    self.refresh(name)
                    break
            else:
                self._records.remove([known])

    def replaced(
        self, identity: Identity, container_id: str, former: Container | None, previous_id: str | None = None
    ) -> Container | None:
        """Store the container that stands there now; what was found about another one in its place is void.

        `previous_id` is the one Slipway has replaced: it may have been seen on its new id before it was told so.
        """
        self._reading.forget_look(container_id)
        document = inspect_optional(self.engine, container_id)
        if document is None:
            return None
        container = self._survey.describe(document, identity)
        earlier = (previous_id, former.id if former else None, *(former.former_ids if former else ()))
        former_ids = tuple(dict.fromkeys(one for one in earlier if one not in (None, container.id)))[:_FORMER]
        if former is not None and (former.id == container.id or runs_the_same(former, container)):
            # Also when it was made anew on the same image: what was found about that holds.
            container = runtime_facts(former, container)
        else:
            security = inherited_security(former, container)
            container = replace(container, applied_at=self._tools.clock.now(), security=security)
        container = replace(container, former_ids=former_ids)
        if container != former:
            self._records.save([container])
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
                self._records.store_findings(changed, self._tools.merge)
                changed = []
        self._records.store_findings(changed, self._tools.merge)
        self._tools.checked([one for one in found if self._tools.busy.unchanged(one.identity, before)])
        return len(containers)
