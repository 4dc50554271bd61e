"""Engine events: what happens to a container is stored within a second, and nothing is missed across a reconnect."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from chalicelib.domain.container import Container
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.operation import original_name
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import EngineError, Event, EventStream
from local_runtime.executor.watching.watcher import Watcher

log = logging.getLogger(__name__)

_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0
_SETTLE = 0.1
_DESTROYED = "destroy"


class Follower:
    """Follows one engine in threads of its own. `later` runs a check in the background."""

    def __init__(self, watcher: Watcher, clock: Clock, later: Callable[[Callable[[], object]], object]) -> None:
        self._watcher = watcher
        self._clock = clock
        self._later = later
        self._stopping = threading.Event()
        self._stream: EventStream | None = None
        self._pending: dict[str, bool] = {}
        self._arrived = threading.Condition()
        self._threads = [
            threading.Thread(target=self._listen, name=f"events-{watcher.name}", daemon=True),
            threading.Thread(target=self._apply, name=f"apply-{watcher.name}", daemon=True),
        ]

    def start(self) -> None:
        """Begin to follow."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the stream and the threads."""
        self._stopping.set()
        if self._stream is not None:
            self._stream.close()
        with self._arrived:
            self._arrived.notify_all()

    def _listen(self) -> None:
        """Read events; when they end ask for those since the last one, and look in case the engine forgot them."""
        pause, last, broken = _FIRST_PAUSE, self._clock.now().timestamp(), False
        while not self._stopping.is_set():
            began = self._clock.now()
            try:
                self._stream = self._watcher.engine.events(since=last)
                if broken:
                    self._later(self._watcher.catch_up)
                    broken = False
                for event in self._stream:
                    pause, last = _FIRST_PAUSE, event.at
                    self._take(event)
                broken = True
            except EngineError as error:
                broken = True
                if not self._stopping.is_set():
                    log.warning("events of %s: %s; trying again in %g s", self._watcher.name, error, pause)
            except Exception:
                broken = True
                log.exception("events of %s", self._watcher.name)
            if (self._clock.now() - began).total_seconds() > _LONGEST_PAUSE:
                # It held for a while: this is a new trouble, not the old one going on.
                pause = _FIRST_PAUSE
            self._stopping.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _take(self, event: Event) -> None:
        if original_name(event.name) is not None:
            return
        with self._arrived:
            self._pending[event.container_id] = event.action == _DESTROYED
            self._arrived.notify()

    def _apply(self) -> None:
        while not self._stopping.is_set():
            with self._arrived:
                self._arrived.wait_for(lambda: self._pending or self._stopping.is_set())
            # Events come in bursts: one stop is a kill, a die and a stop.
            self._stopping.wait(_SETTLE)
            with self._arrived:
                batch, self._pending = self._pending, {}
            for container_id, destroyed in batch.items():
                try:
                    self._one(container_id, destroyed)
                except SlipwayError as error:
                    log.warning("an event of %s could not be applied: %s", container_id[:12], error)
                    with self._arrived:
                        self._pending.setdefault(container_id, destroyed)
                    self._stopping.wait(_FIRST_PAUSE)
                except Exception:
                    log.exception("an event of %s could not be applied", container_id[:12])

    def _one(self, container_id: str, destroyed: bool) -> None:
        if destroyed:
            self._watcher.forget(container_id)
            return
        container = self._watcher.refresh(container_id)
        if container is not None and container.result is None and container.error is None:
            self._later(lambda: self._check(container))

    def _check(self, container: Container) -> None:
        self._watcher.check([container])
