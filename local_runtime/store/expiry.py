"""TTL: a thread that deletes expired items in small batches, which moto never does."""

from __future__ import annotations

import logging
import threading
import time

from local_runtime.store.faults import Fault
from local_runtime.store.tables import Tables

log = logging.getLogger(__name__)

BATCH = 25
PAUSE_SECONDS = 0.01


class Expiry:
    """Sweeps every `interval` seconds from `start` to `stop`."""

    def __init__(self, tables: Tables, interval: float):
        self._tables = tables
        self._interval = interval
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="expiry", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(self._interval):
            try:
                self.sweep(time.time())
            except Fault as fault:
                log.error("expired items stay until the next sweep: %s", fault)
            except Exception:
                log.exception("the sweep for expired items failed")

    def sweep(self, now: float) -> int:
        """Delete what has expired by `now` (epoch seconds); how many items that were. Raises Fault if not durable."""
        removed = 0
        for table, slots in self._tables.expired(now).items():
            for start in range(0, len(slots), BATCH):
                removed += self._tables.expire(table, slots[start : start + BATCH], now)
                if self._stopped.wait(PAUSE_SECONDS):  # let writers in between two batches
                    return removed
        return removed
