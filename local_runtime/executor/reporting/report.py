"""What an executor tells of itself: every few seconds, and at once when a cycle makes progress."""

from __future__ import annotations

import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.agent import HEARTBEAT, Agent
from chalicelib.domain.environment import without_user_info
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.trigger import masked
from local_runtime.executor.pulse import Pulse
from local_runtime.executor.security.bulletin import Bulletin
from local_runtime.executor.watching.watcher import Watcher

log = logging.getLogger(__name__)

_LEAST_PAUSE = 1.0


class Report:
    """The heartbeat, in a thread of its own.

    `also` is done at every regular beat. `own` gives the ids of the containers this executor runs in, if it does: the
    event stream tells of a self-update when an operation on one of them begins.

    `Agent.watchers` is `{name: {"engine", "cron", "jitter", ..., "error"?, "progress": Progress.facts()}}`, and
    `Agent.facts["registries"]` what `Registries.described()` gives: configuration without secrets, and how hosts do;
    `Agent.facts["responses"]` is `{registry: [requests, seconds]}`, carried on from one life to the next;
    `Agent.facts["scans"]` what `Bulletin.facts()` gives.
    """

    def __init__(
        self,
        services: Services,
        owner: str,
        watchers: Mapping[str, Watcher],
        security: Callable[[], Any],
        bulletin: Bulletin,
        also: Callable[[], object] = lambda: None,
        own: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self._services = services
        self._settings = services.settings
        self._owner = owner
        self._watchers = watchers
        self._security = security
        self._bulletin = bulletin
        self._also = also
        self._own = own
        self._stopping = threading.Event()
        self._wanted = threading.Event()
        self._pulse = Pulse(services.settings.data)
        self._earlier: Mapping[str, Sequence[float]] = {}
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        bulletin.changed = self._wanted.set
        for watcher in watchers.values():
            watcher.progress.changed = self._wanted.set

    def start(self) -> None:
        """Report now, then again and again; once more does no harm. Raises Unavailable without the store."""
        known = self._services.agents.get(self._settings.agent)
        self._earlier = known.facts.get("responses", {}) if known is not None else {}
        self.send()
        if not self._thread.is_alive():
            self._thread.start()

    def stop(self) -> None:
        """No further report."""
        self._stopping.set()
        self._wanted.set()

    def send(self) -> None:
        """Report now."""
        settings = self._settings
        agent = Agent(
            name=settings.agent,
            executor=self._owner,
            watchers={name: _watcher(watcher) for name, watcher in self._watchers.items()},
            facts={
                "version": settings.version,
                "startedAt": self._services.started_at.isoformat(),
                "host": platform.node(),
                "os": platform.system().lower(),
                "arch": platform.machine(),
                "cpus": os.cpu_count() or 1,
                "memoryGb": _memory_gb(),
                "logLevel": settings.log_level,
                "registries": self._services.registries.described(),
                "responses": self._responses(),
                "security": self._security(),
                "scans": self._bulletin.facts(),
                "own": list(self._own()),
                "notificationsFrom": settings.triggers.sent_from,
                "triggers": [
                    {"id": one.id, "type": one.type, "name": one.name, "configuration": dict(masked(one))}
                    for one in settings.triggers.triggers
                ],
            },
        )
        self._services.agents.report(agent, self._services.clock.now())
        self._pulse.beat()

    def _responses(self) -> dict[str, list[float]]:
        """Requests and seconds by registry: counters must go on where the last life of this agent ended."""
        found = {name: [*counted] for name, counted in self._earlier.items()}
        for name, (requests, seconds) in self._services.registries.responses().items():
            before = found.get(name, (0, 0.0))
            found[name] = [before[0] + requests, round(before[1] + seconds, 3)]
        return found

    def _run(self) -> None:
        beaten = time.monotonic()
        while not self._stopping.is_set():
            self._wanted.wait(HEARTBEAT.total_seconds())
            self._wanted.clear()
            if self._stopping.is_set():
                return
            try:
                self.send()
                if time.monotonic() - beaten >= HEARTBEAT.total_seconds():
                    beaten = time.monotonic()
                    self._also()
            except SlipwayError as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the report failed")
            # A thousand containers make progress a thousand times; once a second is enough to watch it.
            self._stopping.wait(_LEAST_PAUSE)


def _memory_gb() -> float | None:
    """Of this host; nothing where its system does not say."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError):
        return None


def _watcher(watcher: Watcher) -> dict[str, Any]:
    settings = watcher.settings
    facts: dict[str, Any] = {
        "engine": without_user_info(settings.base_url),
        "cron": settings.cron,
        "jitter": settings.jitter_ms,
        "watchbydefault": settings.watch_by_default,
        "watchall": settings.watch_all,
        "watchevents": settings.watch_events,
        "watchatstart": settings.watch_at_start,
        "progress": watcher.progress.facts(),
    }
    if settings.window is not None:
        facts |= {"maintenancewindow": settings.window, "maintenancewindowtz": settings.window_zone}
    if settings.image_sets:
        facts["imgset"] = {one.name: {"image": one.image, **one.wishes} for one in settings.image_sets}
    if watcher.problem is not None:
        facts["error"] = without_user_info(watcher.problem)
    return facts
