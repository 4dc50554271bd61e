"""Owns an executor that runs inside the tests, as the program composes it: on a real engine, store and registry."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import Settings, WatcherSettings
from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.operation import Operation
from chalicelib.ports.engine import Engine
from local_runtime.engine.docker_engine import DockerEngine
from local_runtime.executor.executor import Executor
from tests.docker.site import Site, Subject, wait_for

_AGENTS = itertools.count()
Wrap = Callable[[Engine], Any]


@dataclass
class Executing:
    """A running executor, with the stores it shares with an API."""

    site: Site
    services: Services
    executor: Executor

    @property
    def agent(self) -> str:
        return self.services.settings.agent

    def identity(self, name: str) -> Identity:
        return Identity(self.agent, "local", name)

    def stored(self, name: str) -> Container | None:
        return self.services.containers.get(self.identity(name))

    def status(self, name: str) -> str | None:
        found = self.stored(name)
        return found.status if found else None

    def watch(self) -> Command:
        """Order a scan and wait for its end."""
        clock = self.services.clock
        command = Command(clock.new_id(), self.agent, CommandKind.WATCH, clock.now())
        self.services.commands.submit(command)
        self.services.queue.wake(self.agent, command.id)
        return self.end_of(command.id)

    def update(self, subject: Subject, tag: str, **facts: Any) -> Operation:
        """Move a container and wait for the end of the operation."""
        operation = self.site.ask(self.services, self.agent, subject, tag, **facts)
        self.services.queue.wake(self.agent, operation.id)
        self.end_of(operation.id)
        return self.operation(operation)

    def operation(self, operation: Operation) -> Operation:
        found = self.services.operations.get(operation.identity, operation.id)
        assert found is not None
        return found

    def end_of(self, command_id: str, seconds: float = 60) -> Command:
        def look() -> Command | None:
            found = self.services.commands.get(self.agent, command_id)
            return found if found and found.ended else None

        ended: Command = wait_for(look, seconds)
        return ended


@contextmanager
def executing(
    site: Site,
    store_url: str,
    folder: Path,
    *,
    wrap: Wrap = lambda engine: engine,
    watcher: WatcherSettings | None = None,
    **settings: Any,
) -> Iterator[Executing]:
    """An executor for the length of the block, under an agent's name of its own. `wrap` may change its engine."""
    agent = f"executing-{next(_AGENTS)}"
    watched = watcher or WatcherSettings("local", watch_at_start=False)
    composed = Services(
        Settings(
            agent=agent,
            data=folder / agent,
            dynamodb_url=store_url,
            sqs_url=store_url,
            access_key=("test", "test"),
            create_tables=True,
            watchers=(replace(watched, base_url=site.host.base_url),),
            **({"liveness_grace_ms": 300, "health_gate_seconds": 5} | settings),
        )
    )
    executor = Executor(composed, f"owner-{agent}", connect=lambda one: wrap(DockerEngine(one.base_url)))
    executor.start()
    try:
        yield Executing(site, composed, executor)
    finally:
        executor.stop(5)
