"""What a deputy does: one operation in its executor's place, by the ordinary story; then it removes itself.

It holds the command like any executor, by a lease, so that of the two only one touches the host.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any, cast

from chalicelib.bootstrap import Services
from chalicelib.config import Settings, WatcherSettings
from chalicelib.domain.command import Command, subject
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.operation import Operation
from chalicelib.ports.stores import CommandStore, OperationStore
from chalicelib.wire.log_line import log_to
from local_runtime.executor.deputies.deputy import name_of
from local_runtime.executor.executor import Executor
from local_runtime.executor.host import Witness
from local_runtime.executor.inspection import started_at
from local_runtime.executor.station import connect
from local_runtime.executor.updating.health import Document, require_heard

log = logging.getLogger("slipway.deputy")

_LOOK = 0.2
_STOP_PATIENCE = 3.0


class OneOrder(Services):
    """The services of an executor that knows of one operation only: whatever else waits is not its to do."""

    def __init__(self, settings: Settings, operation_id: str) -> None:
        super().__init__(settings)
        self._operation_id = operation_id

    @cached_property
    def commands(self) -> CommandStore:
        """That operation's command."""
        return cast(CommandStore, _OneCommand(super().commands, self._operation_id))

    @cached_property
    def operations(self) -> OperationStore:
        """Every ledger, with at most that operation open."""
        return cast(OperationStore, _OneOperation(super().operations, self.commands, self._operation_id))


class _OneCommand:
    def __init__(self, commands: CommandStore, command_id: str) -> None:
        self._commands = commands
        self._id = command_id

    def waiting(self, agent: str, now: datetime) -> list[Command]:
        found = self._commands.get(agent, self._id)
        return [found] if found is not None and found.claimable(now) else []

    def purge(self, _agent: str, _now: datetime) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._commands, name)


class _OneOperation:
    def __init__(self, operations: OperationStore, commands: CommandStore, operation_id: str) -> None:
        self._operations = operations
        self._commands = commands
        self._id = operation_id

    def open_of(self, agent: str) -> list[Operation]:
        command = self._commands.get(agent, self._id)
        found = self._operations.get(subject(command)[0], self._id) if command is not None else None
        return [found] if found is not None and not found.ended else []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._operations, name)


def run_errand(settings: Settings, operation_id: str, stopped: threading.Event, *, own: bool, socket: str = "") -> int:
    """Carry that operation out, however long it takes; 0 once it has ended, 1 when told to stop before.

    `own` says that it is about the executor's own container; `socket` where the engine is, if not where the settings
    say.
    """
    log_to(sys.stderr, settings.log_level)
    if socket:
        settings = replace(settings, watchers=tuple(_at(one, socket) for one in settings.watchers))
    services = OneOrder(settings, operation_id)
    executor = Executor(services, f"deputy-{operation_id}", deputed=True, witness=_reported(services) if own else None)
    _patiently(executor.serve, stopped)
    while not _patiently(lambda: _over(services, operation_id), stopped):
        if stopped.wait(_LOOK):
            executor.stop(_STOP_PATIENCE)
            return 1
        executor.hurry()
    executor.stop(_STOP_PATIENCE)
    _remove_itself(settings, services.commands.get(settings.agent, operation_id), operation_id)
    return 0


def _at(watcher: WatcherSettings, socket: str) -> WatcherSettings:
    """The same engine, spoken to directly."""
    return WatcherSettings(watcher.name, base_url=f"unix://{socket}", policy=watcher.policy)


def _patiently(act: Callable[[], Any], stopped: threading.Event) -> Any:
    """What it gives, once the store answers."""
    while True:
        try:
            return act()
        except Unavailable as error:
            log.warning("%s", error)
            if stopped.wait(1.0):
                raise


def _over(services: Services, operation_id: str) -> bool:
    """Whether there is nothing left to do: an operation ends before its command does."""
    command = services.commands.get(services.settings.agent, operation_id)
    if command is None:
        return True
    operation = services.operations.get(subject(command)[0], operation_id)
    return command.ended and (operation is None or operation.ended)


def _reported(services: Services) -> Witness:
    """The proof of a new executor: that it has told the store of itself since it was started."""

    def heard(document: Document) -> bool:
        try:
            agent = services.agents.get(services.settings.agent)
        except Unavailable:
            return False
        if agent is None or agent.seen_at is None or agent.seen_at <= started_at(document):
            return False
        # One of another version may not say where it runs; the old one is stopped, so it is this one all the same.
        own = agent.facts.get("own") or ()
        return not own or document["Id"] in own

    return lambda host, container, beat: require_heard(host, container, heard, beat)


def _remove_itself(settings: Settings, command: Command | None, operation_id: str) -> None:
    """The engine ends this process while it answers. What is left of it is tidied away by the executor."""
    if command is None:
        return
    watcher = next(one for one in settings.watchers if one.name == subject(command)[0].watcher)
    try:
        connect(watcher).remove(name_of(operation_id), force=True)
    except SlipwayError as error:
        log.warning("%s", error)
