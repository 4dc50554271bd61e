"""The loop of an executor: hear of commands, claim them, keep the claim alive, store their end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from chalicelib.domain.command import LEASE, RENEWAL, RETENTION, Command, CommandKind, CommandState, about_operation
from chalicelib.domain.errors import SlipwayError, Stale, Unavailable
from chalicelib.domain.operation import Operation
from chalicelib.ports.clock import Clock
from chalicelib.ports.queues import Queue
from chalicelib.ports.stores import CommandStore, OperationStore

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
POLL_SECONDS = 20
_TROUBLE_PAUSE = 1.0

Perform = Callable[[Command], Mapping[str, Any]]


class Worker:
    """Works off one agent's commands, several at a time, until stopped."""

    def __init__(
        self,
        agent: str,
        owner: str,
        commands: CommandStore,
        operations: OperationStore,
        queue: Queue,
        clock: Clock,
        perform: Perform,
        parallel: int,
    ) -> None:
        self._agent = agent
        self._owner = owner
        self._commands = commands
        self._operations = operations
        self._queue = queue
        self._clock = clock
        self._perform = perform
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="command")
        self._running: dict[str, Command] = {}
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._until_stopped, args=(work, pause), name=name, daemon=True)
            for name, work, pause in (
                ("receive", self._receive, 0.0),
                ("sweep", self.sweep, SWEEP_SECONDS),
                ("renew", self._renew, RENEWAL.total_seconds()),
            )
        ]

    def start(self) -> None:
        """Begin to work. What an earlier life of this owner left half done is claimable at once."""
        self._commands.release(self._agent, self._owner)
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float) -> None:
        """Take no more commands and give running ones that long; the next executor recovers what is left."""
        self._stopping.set()
        self._pool.shutdown(wait=False, cancel_futures=True)
        until = self._clock.now().timestamp() + patience
        while self._busy() and self._clock.now().timestamp() < until:
            self._clock.sleep(0.05)

    def sweep(self) -> None:
        """Find what a lost message or a dead executor left: every claimable command, every orphaned operation."""
        now = self._clock.now()
        for command in self._commands.waiting(self._agent, now):
            self._submit(command.id)
        for operation in self._operations.open_of(self._agent):
            self._adopt(operation)
        self._commands.purge(self._agent, now - RETENTION)

    def _adopt(self, operation: Operation) -> None:
        """Give an open operation a command, if the one it had was lost or ended without ending it."""
        original = self._commands.get(self._agent, operation.id)
        if original is not None and not original.ended:
            return
        command_id = operation.id if original is None else f"{operation.id}-{operation.revision}"
        arguments = about_operation(operation.identity, operation.container_id, operation.id)
        self._commands.submit(
            Command(command_id, self._agent, CommandKind.UPDATE, self._clock.now(), arguments=arguments)
        )
        self._submit(command_id)

    def _receive(self) -> None:
        for wake_up in self._queue.receive(self._agent, POLL_SECONDS):
            self._submit(wake_up.command_id)
            self._queue.done(self._agent, wake_up)

    def _submit(self, command_id: str) -> None:
        with self._guard:
            if command_id in self._running or self._stopping.is_set():
                return
            self._pool.submit(self._work_on, command_id)

    def _work_on(self, command_id: str) -> None:
        try:
            now = self._clock.now()
            command = self._commands.claim(self._agent, command_id, self._owner, now, now + LEASE)
            if command is None:
                return
            with self._guard:
                self._running[command_id] = command
            try:
                self._carry_out(command)
            finally:
                with self._guard:
                    del self._running[command_id]
        except Exception:
            log.exception("command %s could not be worked on; it is tried again", command_id)

    def _carry_out(self, command: Command) -> None:
        """Perform it and store its end. One whose operation is in other hands is left to them."""
        result: Mapping[str, Any]
        state = CommandState.FAILED
        if command.kind is not CommandKind.UPDATE and command.stale(self._clock.now()):
            result = {"error": "the executor heard of it too late", "error_kind": "Failed"}
        else:
            try:
                result, state = self._perform(command), CommandState.DONE
            except (Stale, Unavailable) as error:
                log.warning("command %s is left for later: %s", command.id, error)
                return
            except SlipwayError as error:
                if command.kind is CommandKind.UPDATE and getattr(error, "transient", False):
                    log.warning("command %s is left for later: %s", command.id, error)
                    return
                result = {"error": str(error), "error_kind": type(error).__name__}
            except Exception as error:
                log.exception("command %s failed", command.id)
                result = {"error": f"{type(error).__name__}: {error}", "error_kind": "Failed"}
        ended = replace(command, state=state, result=result, ended_at=self._clock.now())
        if not self._commands.finish(ended):
            log.warning("command %s was claimed by somebody else before it ended", command.id)

    def _renew(self) -> None:
        with self._guard:
            running = list(self._running.values())
        until = self._clock.now() + LEASE
        for command in running:
            if not self._commands.renew(command, until):
                log.warning("the claim on command %s is lost", command.id)

    def _busy(self) -> bool:
        with self._guard:
            return bool(self._running)

    def _until_stopped(self, work: Callable[[], None], pause: float) -> None:
        """Repeat; a store or queue that does not answer is asked again a second later."""
        while not self._stopping.is_set():
            try:
                work()
            except Unavailable as error:
                log.warning("%s", error)
                self._stopping.wait(_TROUBLE_PAUSE)
            except Exception:
                log.exception("%s", threading.current_thread().name)
                self._stopping.wait(_TROUBLE_PAUSE)
            if pause:
                self._stopping.wait(pause)
