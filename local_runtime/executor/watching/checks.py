"""Asking the registries about many containers, several at a time."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from datetime import datetime

from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Unavailable
from chalicelib.usecases.detect import detect, failed

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
            try:
                return detect(container, registry, compile=self._services.patterns, now=now)
            except Exception as error:
                # Nobody foresaw this, but nobody may take the container for up to date because of it.
                log.exception("%s could not be checked", container.name)
                return failed(
                    container, f"It could not be checked: {type(error).__name__}. The executor's log tells more."
                )

        futures: list[Future[Container]] = [self._pool.submit(one, container) for container in containers]
        for future in as_completed(futures):
            try:
                yield future.result()
            except CancelledError:
                log.info("a container is not checked any more: this executor stops")

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
