"""Scans by the clock: once after the start, then by the watcher's cron expression with a little chance in it."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from cronsim import CronSim, CronSimError

from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.clock import Clock

log = logging.getLogger(__name__)

_RETRY = 15.0
"""Seconds until a scan that could not read the engine is tried again."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """When something is done: a cron expression, the variable it came from, and a random delay on top."""

    name: str
    variable: str
    cron: str
    jitter_ms: int
    at_start: bool = False


class Schedule:
    """Runs a scan again and again in a thread of its own."""

    def __init__(self, table: Timetable, clock: Clock, scan: Callable[[], object]) -> None:
        self._table = table
        self._clock = clock
        self._scan = scan
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{table.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """No further scan."""
        self._stopping.set()

    def seconds_until_next(self) -> float:
        """From now to the next time the expression names, and a random part of the jitter. Raises CronSimError."""
        now = self._clock.now()
        due = next(CronSim(self._table.cron, now))
        jitter = timedelta(milliseconds=random.uniform(0, self._table.jitter_ms))  # noqa: S311
        return (due + jitter - now).total_seconds()

    def _run(self) -> None:
        if self._table.at_start:
            self._scan_until_read()
        while not self._stopping.is_set():
            try:
                pause = self.seconds_until_next()
            except (CronSimError, StopIteration) as error:
                log.error("%s names no time: %s", self._table.variable, error)
                return
            if self._stopping.wait(pause):
                return
            self._try()

    def _scan_until_read(self) -> None:
        while not self._try() and not self._stopping.wait(_RETRY):
            pass

    def _try(self) -> bool:
        try:
            self._scan()
        except SlipwayError as error:
            log.warning("%s: %s", self._table.name, error)
            return False
        except Exception:
            log.exception("%s", self._table.name)
            return False
        return True
