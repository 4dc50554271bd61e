"""New containers that are shown a little later: what compose makes up for a moment, or all when operators want so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.labels import canonical_name
from chalicelib.ports.clock import Clock

log = logging.getLogger(__name__)

ALIAS_SECONDS = 30.0
"""While compose recreates a container, the new one is named `{12 hex}_{name}`; later than this it has failed to."""

_MARGIN = 0.05
"""Seconds: clocks and timers do not tick as one."""


class Settling:
    """Of one watcher; thread-safe. `look` is called with an id once the time of a new container has come."""

    def __init__(self, watcher: str, seconds: float, clock: Clock, look: Callable[[str], object]) -> None:
        self._watcher = watcher
        self._seconds = seconds
        self._clock = clock
        self._look = look
        self._lock = threading.Lock()
        self._seen: dict[str, datetime] = {}

    def waits(self, container_id: str, name: str, created: datetime | None) -> bool:
        """Whether a container that is not known yet is not to be shown yet; then it is looked at again in time.

        It counts since when it was made, or since it was first seen here where the engine's clock is ahead of ours.
        """
        needed = max(self._seconds, ALIAS_SECONDS) if canonical_name(name) != name else self._seconds
        now = self._clock.now()
        with self._lock:
            known = container_id in self._seen
            began = self._seen.get(container_id, now)
            age = (now - min(began, created or began)).total_seconds()
            if age >= needed:
                self._seen.pop(container_id, None)
                return False
            self._seen[container_id] = began
        if not known:
            timer = threading.Timer(needed - age + _MARGIN, self._again, (container_id,))
            timer.name, timer.daemon = f"settling-{self._watcher}", True
            timer.start()
        return True

    def _again(self, container_id: str) -> None:
        try:
            self._look(container_id)
        except SlipwayError as error:
            log.warning("container %s cannot be read: %s", container_id[:12], error)
        except Exception:
            log.exception("container %s cannot be read", container_id[:12])
        finally:
            # It may be gone by now.
            with self._lock:
                self._seen.pop(container_id, None)
