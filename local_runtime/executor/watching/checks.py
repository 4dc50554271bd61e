"""Asking the registries about many containers, several at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from datetime import datetime

from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Unavailable
from chalicelib.usecases.detect import detect

log = logging.getLogger(__name__)

PARALLEL = 10


class Checks:
    """A pool for detection, shared by all watchers of an executor."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="check")

    def of(self, containers: Sequence[Container], since: datetime | None = None) -> Iterable[Container]:
        """One detection cycle over these; each with what was found, as it comes.

        What was answered before `since` does not count, nor what is older than the window the fleet shares.
        """
        registry = self._services.registries.cycle(since=since, alone=self._alone())
        now = self._services.clock.now()

        def one(container: Container) -> Container:
            return detect(container, registry, compile=self._services.patterns, now=now)

        futures: list[Future[Container]] = [self._pool.submit(one, container) for container in containers]
        for future in as_completed(futures):
            try:
                yield future.result()
            except Exception:
                log.exception("a container could not be checked")

    def _alone(self) -> bool:
        """Whether no other agent could use what this one finds out, nor has found out anything for it."""
        now = self._services.clock.now()
        try:
            return sum(agent.connected(now) for agent in self._services.agents.all()) < 2
        except Unavailable:
            return True

    def stop(self) -> None:
        """No further check."""
        self._pool.shutdown(wait=False, cancel_futures=True)
