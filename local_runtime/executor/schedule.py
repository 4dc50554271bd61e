"""Doing something by the clock: perhaps once after the start, then by a cron expression with a little chance in it."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.clock import Clock
from local_runtime.executor.window import Window

log = logging.getLogger(__name__)

_RETRY = 15.0
"""Seconds until a scan that could not read the engine is tried again; each time twice as long, up to the longest."""
_LONGEST_RETRY = 300.0
_LOOK_AGAIN = 60.0
"""How often a closed maintenance window is looked at, and the clock: machines sleep, and clocks are set."""


@dataclass(frozen=True, slots=True)
class Timetable:
    """When something is done: a cron expression, the variable it came from, and a random delay on top."""

    name: str
    variable: str
    cron: str
    jitter_ms: int
    at_start: bool = False
    window: Window = field(default_factory=lambda: Window(None))
    """Outside it nothing is begun by the clock; what falls due meanwhile is done once when it opens."""


class Schedule:
    """Runs a scan again and again in a thread of its own; `planned` hears when the next is due, None for never."""

    def __init__(
        self,
        table: Timetable,
        clock: Clock,
        scan: Callable[[], object],
        planned: Callable[[datetime | None], object] = lambda _at: None,
    ) -> None:
        self._table = table
        self._clock = clock
        self._scan = scan
        self._planned = planned
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"schedule-{table.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """No further scan."""
        self._stopping.set()

    def next_due(self) -> datetime:
        """The next time the expression names, and a random part of the jitter. Raises CronSimError, StopIteration."""
        due = next(CronSim(self._table.cron, self._clock.now()))
        return due + timedelta(milliseconds=random.uniform(0, self._table.jitter_ms))  # noqa: S311

    def pause(self, due: datetime, owed: bool) -> float:
        """Seconds to wait before looking again; 0 when it is time. `owed`: something fell due in a closed window."""
        now = self._clock.now()
        if now < due and not owed:
            return min((due - now).total_seconds(), _LOOK_AGAIN)
        return 0.0 if self._table.window.is_open(now) else _LOOK_AGAIN

    def _run(self) -> None:
        owed = False
        if self._table.at_start:
            self._scan_until_read()
            owed = not self._table.window.is_open(self._clock.now())
        while not self._stopping.is_set():
            try:
                due = self.next_due()
            except (CronSimError, StopIteration) as error:
                log.error("%s names no time: %s", self._table.variable, error)
                self._planned(None)
                return
            self._announce(due, owed)
            while (seconds := self.pause(due, owed)) > 0:
                if self._stopping.wait(seconds):
                    return
            owed = False
            self._try()

    def _announce(self, due: datetime, owed: bool) -> None:
        opens = self._table.window.opens(due if not owed else self._clock.now())
        closed = owed or not self._table.window.is_open(due)
        self._planned(opens if closed and opens is not None else due)

    def _scan_until_read(self) -> None:
        pause = _RETRY
        while not self._try() and not self._stopping.wait(pause):
            pause = min(2 * pause, _LONGEST_RETRY)

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
