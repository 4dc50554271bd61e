"""How far a watcher's cycle has come, and when it ran and runs: what its agent reports and its log says."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from chalicelib.ports.clock import Clock

log = logging.getLogger(__name__)

_LINE_EVERY = 10.0
"""Seconds between two lines about one cycle."""


class Progress:
    """Of one watcher; thread-safe. `changed` is called when there is something new to report."""

    def __init__(self, watcher: str, clock: Clock) -> None:
        self._watcher = watcher
        self._clock = clock
        self._lock = threading.Lock()
        self._facts: dict[str, Any] = {}
        self._logged_at: datetime | None = None
        self.changed: Callable[[], object] = lambda: None

    def facts(self) -> dict[str, Any]:
        """What there is to tell, as JSON: `running`, `checked` of `total` since `startedAt`, and of the last run
        `lastRunAt`, `lastDurationMs`, `lastChecked`, `lastErrors`; `nextRunAt`. Times are ISO 8601 in UTC.
        """
        with self._lock:
            return dict(self._facts)

    def begin(self) -> None:
        """A cycle begins; how many containers it is about is not known yet."""
        now = self._clock.now()
        with self._lock:
            self._logged_at = now
            self._facts |= {"running": True, "checked": 0, "total": 0, "errors": 0, "startedAt": _text(now)}
        self.changed()

    def expect(self, total: int) -> None:
        """That many containers are asked about."""
        with self._lock:
            self._facts["total"] = total
        log.info("watcher %s: checking %d containers", self._watcher, total)
        self.changed()

    def step(self, *, failed: bool) -> None:
        """One more container has been checked."""
        now = self._clock.now()
        with self._lock:
            self._facts["checked"] = self._facts.get("checked", 0) + 1
            self._facts["errors"] = self._facts.get("errors", 0) + failed
            checked, total = self._facts["checked"], self._facts.get("total", 0)
            due = self._logged_at is not None and (now - self._logged_at).total_seconds() >= _LINE_EVERY
            if due:
                self._logged_at = now
        if due:
            log.info("watcher %s: %d of %d containers checked", self._watcher, checked, total)
        self.changed()

    def end(self, problem: str | None) -> None:
        """The cycle is over, or could not be carried out."""
        now = self._clock.now()
        with self._lock:
            started = datetime.fromisoformat(self._facts["startedAt"])
            seconds = (now - started).total_seconds()
            checked, errors = self._facts.get("checked", 0), self._facts.get("errors", 0)
            for name in ("checked", "total", "errors", "startedAt"):
                self._facts.pop(name, None)
            self._facts |= {"running": False, "lastRunAt": _text(now), "lastDurationMs": round(seconds * 1000)}
            if problem is None:
                self._facts |= {"lastChecked": checked, "lastErrors": errors}
        if problem is None:
            log.info(
                "watcher %s: %d containers checked in %.1f s, %d with errors", self._watcher, checked, seconds, errors
            )
        self.changed()

    def next_run(self, at: datetime | None) -> None:
        """When the next cycle is planned; nothing when none is."""
        with self._lock:
            self._facts.pop("nextRunAt", None)
            if at is not None:
                self._facts["nextRunAt"] = _text(at)
        self.changed()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
