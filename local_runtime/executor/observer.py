"""Carry out the commands that only look: logs, samples and streams. They need no claim, for they change nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.command import Command, CommandKind, subject
from chalicelib.domain.errors import NotFound
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.observation import ResultStore
from local_runtime.executor.claim import Claim
from local_runtime.executor.logs import read_log

Result = Mapping[str, Any]
Perform = Callable[[Claim, datetime], Result]


class Observer:
    """Knows every kind of command that only looks, at these engines by name of their watcher."""

    def __init__(self, engines: Mapping[str, Engine], results: ResultStore, clock: Clock) -> None:
        self._engines = engines
        self._results = results
        self._clock = clock
        self._kinds: dict[CommandKind, Callable[[Command], Result]] = {CommandKind.LOGS: self._logs}

    def beside(self, perform: Perform) -> Perform:
        """Do what is ours to do, and leave the rest to `perform`."""

        def either(claim: Claim, attentive_since: datetime) -> Result:
            observe = self._kinds.get(claim.command.kind)
            return observe(claim.command) if observe else perform(claim, attentive_since)

        return either

    def _logs(self, command: Command) -> Result:
        engine, container_id = self._container(command)
        return read_log(command, container_id, engine, self._results, self._clock)

    def _container(self, command: Command) -> tuple[Engine, str]:
        identity, container_id = subject(command)
        engine = self._engines.get(identity.watcher)
        if engine is None:
            raise NotFound(f"this executor has no watcher named {identity.watcher}")
        return engine, container_id
