"""The updates nobody asks for: begun after a check while the watcher's maintenance window is open, or once it opens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.dependency import dependents, needs
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.operation import Operation
from chalicelib.usecases.order import Ordering
from chalicelib.usecases.update_automatically import acting, update_automatically
from chalicelib.usecases.update_in_waves import update_in_waves, with_what_comes_before
from local_runtime.executor.window import window

log = logging.getLogger(__name__)


class Automatic:
    """Those of one executor. `later` runs something in the background."""

    def __init__(self, services: Services, later: Callable[[Callable[[], object]], object]) -> None:
        self._services = services
        self._later = later
        watchers = services.settings.watchers
        self._windows = {one.name: window(one.window, one.window_zone) for one in watchers if one.window}
        self._open: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="windows", daemon=True)

    def start(self) -> None:
        """Begin to look at the windows, if there are any."""
        if self._windows:
            self._thread.start()

    def stop(self) -> None:
        """Look no more; what was put off is looked at after the next start."""
        self._stopping.set()

    def checked(self, containers: Sequence[Container]) -> None:
        """The containers of a check, once they are stored. Those whose window is closed wait until it opens."""
        now = self._services.clock.now()
        wanted = [one for one in containers if acting(one, self._services.settings.triggers.triggers) is not None]
        ready = [one for one in wanted if self._is_open(one.identity.watcher, now)]
        for one in wanted:
            if one not in ready:
                log.info("%s is not updated outside the maintenance window of %s", one.name, one.identity.watcher)
        if ready:
            self._later(lambda: self._act(ready))

    def ended(self, operation: Operation) -> None:
        """An update has ended: those that waited for it are asked for again."""
        self._later(lambda: self._go_on(operation.identity))

    def _go_on(self, ended: Identity) -> None:
        peers = self._services.containers.of_watcher(ended.agent, ended.watcher)
        waiting = dependents(ended, needs(peers))
        self.checked([one for one in peers if one.identity in waiting and one.candidate is not None])

    def look(self, now: datetime) -> None:
        """Look again at everything that waits for a window that has opened since the last look.

        The first look takes an open one for opened just now: who should have seen it open may have died before.
        """
        services = self._services
        opened = {name for name, window in self._windows.items() if window.is_open(now)}
        for name in sorted(opened - self._open):
            waiting = services.containers.of_watcher(services.settings.agent, name)
            self._act([one for one in waiting if one.candidate is not None])
            self._open.add(name)
        self._open &= opened

    def _is_open(self, watcher: str, now: datetime) -> bool:
        window = self._windows.get(watcher)
        return window is None or window.is_open(now)

    def _act(self, containers: Sequence[Container]) -> None:
        services = self._services
        ordering = Ordering(services.agents, services.commands, services.queue, services.clock, timedelta(0))
        triggers = services.settings.triggers.triggers

        def order(ready: Sequence[Container]) -> list[str]:
            return update_automatically(ready, triggers, services.own_fleet, ordering, services.operations)

        for watcher in {one.identity.watcher for one in containers}:
            those = [one for one in containers if one.identity.watcher == watcher]
            peers = services.containers.of_watcher(services.settings.agent, watcher)
            those = with_what_comes_before(those, peers, lambda one: acting(one, triggers) is not None)
            now = services.clock.now()
            for name in update_in_waves(those, peers, services.operations, services.audit, now, order):
                log.info("%s is updated by its trigger", name)

    def _run(self) -> None:
        while not self._stopping.is_set():
            now = self._services.clock.now()
            try:
                self.look(now)
            except SlipwayError as error:
                log.warning("maintenance windows: %s", error)
            except Exception:
                log.exception("maintenance windows")
            # A window may be open for a single minute: none is to be missed.
            self._stopping.wait(60 - now.second - now.microsecond / 1e6)
