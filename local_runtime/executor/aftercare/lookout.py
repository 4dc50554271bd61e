"""Looks after containers for a while once they were updated: one whose health check fails then is rolled back."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.bootstrap import Services
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Conflict, NotFound, SlipwayError
from chalicelib.domain.operation import Operation
from chalicelib.domain.vigil import Vigil, vigil
from chalicelib.ports.engine import Engine
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.request_rollback import request_rollback
from local_runtime.executor.inspection import inspect_optional

log = logging.getLogger(__name__)


@dataclass
class _Watch:
    vigil: Vigil
    next_look: datetime


class Lookout:
    """One thread for all containers of an executor.

    Nothing is stored of it: what it looks after follows from the ledger and the labels, so that the next executor
    finds the same.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._engines: Mapping[str, Engine] = {}
        self._watches: dict[Identity, _Watch] = {}
        self._guard = threading.Lock()
        self._changed = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="lookout", daemon=True)

    def attach(self, engines: Mapping[str, Engine]) -> None:
        """The engines of its watchers, by the watchers' names."""
        self._engines = engines

    def start(self) -> None:
        """Go on where an earlier executor stopped, and begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more; what is not over is taken up after the next start."""
        self._stopping = True
        self._changed.set()

    def begin(self, _host: object, operation: Operation, container: Container | None) -> None:
        """An operation has ended: look after what it left, if its labels ask for that."""
        asked = vigil(operation, container.labels) if container is not None else None
        if asked is not None:
            self._watch(asked)

    def resume(self) -> None:
        """Find what an earlier executor looked after. Raises Unavailable."""
        services = self._services
        for watcher in self._engines:
            for container in services.containers.of_watcher(services.settings.agent, watcher):
                if "rollback.auto" in str(container.labels):
                    history = services.operations.history(container.identity)
                    found = (vigil(one, container.labels) for one in history)
                    for asked in (one for one in found if one is not None and one.goes_on(history)):
                        self._watch(asked)

    def look(self, now: datetime) -> timedelta | None:
        """Look at every container that is due; how long until the next one is, nothing when none is left."""
        with self._guard:
            due = [one for one in self._watches.values() if one.next_look <= now]
        for watch in due:
            try:
                over = now > watch.vigil.until or self._settled(watch.vigil)
            except SlipwayError as error:
                log.warning("%s cannot be looked after now: %s", watch.vigil.identity.name, error)
                over = False
            watch.next_look = now + watch.vigil.interval
            with self._guard:
                if over and self._watches.get(watch.vigil.identity) is watch:
                    del self._watches[watch.vigil.identity]
        with self._guard:
            return min((one.next_look - now for one in self._watches.values()), default=None)

    def _watch(self, asked: Vigil) -> None:
        now = self._services.clock.now()
        if asked.until < now:
            return
        with self._guard:
            known = self._watches.get(asked.identity)
            if known is None or known.vigil != asked:
                self._watches[asked.identity] = _Watch(asked, now)
        self._changed.set()

    def _settled(self, asked: Vigil) -> bool:
        """Whether there is nothing more to look for: it is gone, another's work, without a health check, or undone."""
        engine = self._engines.get(asked.identity.watcher)
        history = self._services.operations.history(asked.identity)
        if engine is None or not asked.goes_on(history):
            return True
        if any(not one.ended for one in history):
            return False
        document = inspect_optional(engine, asked.identity.name)
        if document is None or not asked.is_about(document["Id"], history):
            return True
        health = (document["State"].get("Health") or {}).get("Status") or "none"
        if health == "unhealthy":
            return self._roll_back(asked, document["Id"])
        return bool(health == "none" and document["State"].get("Running"))

    def _roll_back(self, asked: Vigil, container_id: str) -> bool:
        """Ask for it as anybody would; whether that is done with. Raises what may pass."""
        services, name = self._services, asked.identity.name
        entry = services.own_fleet.fleet().at(asked.identity)
        if entry is None or entry.listing.id != container_id:
            return False
        ordering = Ordering(services.agents, services.commands, services.queue, services.clock, timedelta(0))
        log.warning("%s became unhealthy after its update; it is rolled back", name)
        try:
            request_rollback(entry, ordering, services.operations, services.backups, automatic=True)
        except Conflict:
            return False
        except NotFound as error:
            log.warning("%s cannot be rolled back: %s", name, error)
            row = f"{asked.operation_id}:auto-rollback"
            services.audit.add(
                [AuditEntry(row, ordering.clock.now(), "auto-rollback", "error", asked.identity, details=str(error))]
            )
        return True

    def _run(self) -> None:
        resumed = False
        while not self._stopping:
            left: timedelta | None = timedelta(seconds=10)
            self._changed.clear()
            try:
                if not resumed:
                    self.resume()
                    resumed = True
                left = self.look(self._services.clock.now())
            except SlipwayError as error:
                log.warning("what was updated lately cannot be looked after now: %s", error)
            except Exception:
                log.exception("looking after updated containers")
            self._changed.wait(None if left is None else max(left.total_seconds(), 0.05))
