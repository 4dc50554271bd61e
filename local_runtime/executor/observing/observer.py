"""Carry out the commands that only look: logs, samples and streams. They need no claim, for they change nothing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.command import Command, CommandKind, subject, subjects
from chalicelib.domain.errors import NotFound, SlipwayError
from chalicelib.ports.engine import Engine
from chalicelib.usecases.let_viewers_go import forget_orders, let_viewers_go
from chalicelib.wire.log_line import kept_entries, recent_entries
from local_runtime.executor.claim import Claim
from local_runtime.executor.observing.logs import read_log
from local_runtime.executor.observing.own_log import OwnLog
from local_runtime.executor.observing.sampler import Sampler
from local_runtime.executor.observing.streams import Streams
from local_runtime.executor.watching.watcher import Watcher

log = logging.getLogger(__name__)

MOST_ENTRIES = 300

Result = Mapping[str, Any]
Perform = Callable[[Claim, datetime], Result]


class Observer:
    """Knows every kind of command that only looks, at the engines of these watchers."""

    def __init__(self, services: Services, watchers: Mapping[str, Watcher]) -> None:
        settings = services.settings
        self._services = services
        self._watchers = watchers
        self._sampler = Sampler(
            settings.agent,
            [(watcher.settings, watcher.engine) for watcher in watchers.values()],
            services.samples,
            services.clock,
            timedelta(seconds=settings.stats_interval),
            settings.stats_history,
        )
        self._streams = Streams(services.connections, services.clock)
        self._own_log = OwnLog(settings.agent, recent_entries, services.connections)
        self._kinds: dict[CommandKind, Callable[[Command], Result]] = {
            CommandKind.LOGS: self._logs,
            CommandKind.SAMPLE: self._sample,
            CommandKind.STREAM_LOGS: self._stream,
            CommandKind.LOG_ENTRIES: lambda _: {"entries": kept_entries(MOST_ENTRIES)},
            CommandKind.STREAM_ENTRIES: self._stream_own,
        }

    def start(self) -> None:
        """Begin to sample."""
        log.info("the executor of agent %s is at work", self._services.settings.agent)
        self._sampler.start()
        threading.Thread(target=self._let_go, name="viewers", daemon=True).start()

    def _let_go(self) -> None:
        """Nobody sends any more what an earlier life of this executor sent."""
        services = self._services
        agent, reason = services.settings.agent, "The executor has started again"
        try:
            let_viewers_go(agent, services.commands, services.connections, services.started_at, reason)
            forget_orders(agent, services.commands, services.started_at)
        except SlipwayError as error:
            log.warning("viewers of an earlier life cannot be let go: %s", error)

    def stop(self) -> None:
        """Look no more."""
        self._sampler.stop()
        self._streams.stop()
        self._own_log.stop()

    def beside(self, perform: Perform) -> Perform:
        """Do what is ours to do, and leave the rest to `perform`."""

        def either(claim: Claim, attentive_since: datetime) -> Result:
            observe = self._kinds.get(claim.command.kind)
            return observe(claim.command) if observe else perform(claim, attentive_since)

        return either

    def _logs(self, command: Command) -> Result:
        engine, container_id = self._container(command)
        return read_log(command, container_id, engine, self._services.results, self._services.clock)

    def _sample(self, command: Command) -> Result:
        self._sampler.sample_first(subjects(command))
        self._sampler.wake()
        return {}

    def _stream(self, command: Command) -> Result:
        engine, _ = self._container(command)
        self._streams.open(command, engine)
        return {}

    def _stream_own(self, command: Command) -> Result:
        self._own_log.open(command)
        return {}

    def _container(self, command: Command) -> tuple[Engine, str]:
        identity, container_id = subject(command)
        watcher = self._watchers.get(identity.watcher)
        if watcher is None:
            raise NotFound(f"this executor has no watcher named {identity.watcher}")
        return watcher.engine, container_id
