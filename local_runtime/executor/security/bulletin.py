"""Scans that run, and those that ended within the last minute: what an agent reports of them, for the event stream."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.news import FAILED_SCAN, RUNNING_SCAN
from chalicelib.ports.clock import Clock

KEPT = timedelta(minutes=1)
MOST = 20
"""A round over many containers ends scans faster than anybody reads; what is left out is told by the containers."""


class Bulletin:
    """Thread-safe. `changed` is called when there is something new to report."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._scans: dict[str, tuple[datetime, dict[str, Any]]] = {}
        self.changed: Callable[[], object] = lambda: None

    @contextmanager
    def scan(self, container_id: str) -> Iterator[Callable[[str], None]]:
        """A scan of that container lasts as long as the context; the function given takes how it ended."""
        number = self._clock.new_id()
        self._tell(number, container_id, RUNNING_SCAN)
        ended = FAILED_SCAN

        def end(status: str) -> None:
            nonlocal ended
            ended = status

        try:
            yield end
        finally:
            self._tell(number, container_id, ended)

    def facts(self) -> list[dict[str, Any]]:
        """`{"id", "containerId", "status"}` of each, the oldest first; `status` is `running` until it has ended."""
        with self._lock:
            self._forget()
            return [dict(told) for _, told in self._scans.values()]

    def _tell(self, number: str, container_id: str, status: str) -> None:
        with self._lock:
            self._scans[number] = self._clock.now(), {"id": number, "containerId": container_id, "status": status}
            self._forget()
        self.changed()

    def _forget(self) -> None:
        oldest = self._clock.now() - KEPT
        over = [number for number, (at, told) in self._scans.items() if told["status"] != RUNNING_SCAN and at < oldest]
        ended = [number for number, (_, told) in self._scans.items() if told["status"] != RUNNING_SCAN]
        over += ended[: max(0, len(ended) - MOST)]
        for number in over:
            self._scans.pop(number, None)
