"""The loop of an executor: hear of commands, claim them, keep the claim alive, store their end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.command import (
    LEASE,
    RENEWAL,
    Command,
    CommandKind,
    CommandState,
    about_operation,
)
from chalicelib.domain.errors import Conflict, Failed, Invalid, NotFound, SlipwayError, Stale, Unavailable
from chalicelib.domain.operation import Operation
from chalicelib.ports.clock import Clock
from chalicelib.ports.queues import Queue
from chalicelib.ports.stores import CommandStore, OperationStore
from local_runtime.executor.claim import Claim, HandedOver

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
POLL_SECONDS = 20
BESIDE_UPDATES = 8
"""Commands worked on at a time that are not updates: these never wait for an update to end."""
_TROUBLE_PAUSE = 1.0
_MOMENT = 0.05
_CLAIM_ATTEMPTS = 5

_VERDICTS = (Failed, NotFound, Conflict, Invalid)
"""How an update ends that has not ended well. Whatever else stops it is no end: its operation is still open."""

Perform = Callable[[Claim, datetime], Mapping[str, Any]]


class Worker:
    """Works off one agent's commands until stopped, at most `updates` updates at a time."""

    def __init__(
        self,
        agent: str,
        owner: str,
        commands: CommandStore,
        operations: OperationStore,
        queue: Queue,
        clock: Clock,
        perform: Perform,
        updates: int,
    ) -> None:
        self._agent = agent
        self._owner = owner
        self._commands = commands
        self._operations = operations
        self._queue = queue
        self._clock = clock
        self._perform = perform
        self._updates = ThreadPoolExecutor(updates, thread_name_prefix="update")
        self._others = ThreadPoolExecutor(BESIDE_UPDATES, thread_name_prefix="command")
        self._taken: set[str] = set()
        self._running: dict[str, Claim] = {}
        self._guard = threading.Lock()
        self._stopping = threading.Event()
        self._attentive_since: datetime | None = None
        self._sweep_at = 0.0
        self._sooner = threading.Condition()
        self._threads = [
            threading.Thread(target=work, name=name, daemon=True)
            for name, work in (("receive", self._receive), ("sweep", self._sweep_again), ("renew", self._renew_again))
        ]

    def start(self) -> None:
        """Begin to work. What an earlier life of this owner left half done is claimable at once."""
        self._commands.release(self._agent, self._owner)
        self._attentive_since = self._clock.now()
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float) -> None:
        """Take no more commands and give running ones that long; the next executor recovers what is left."""
        self._stopping.set()
        self.sweep_within(0)
        self._updates.shutdown(wait=False, cancel_futures=True)
        self._others.shutdown(wait=False, cancel_futures=True)
        until = time.monotonic() + patience
        while self._busy() and time.monotonic() < until:
            time.sleep(0.05)

    def sweep(self) -> None:
        """Find what a lost message or a dead executor left: every claimable command, every orphaned operation."""
        now = self._clock.now()
        for command in self._commands.waiting(self._agent, now):
            self.take(command)
        for operation in self._operations.open_of(self._agent):
            self._adopt(operation)
        self._commands.purge(self._agent, now)
        self._attentive_since = self._attentive_since or now

    def sweep_within(self, seconds: float) -> None:
        """Let the next sweep come no later than that."""
        with self._sooner:
            self._sweep_at = min(self._sweep_at, time.monotonic() + seconds)
            self._sooner.notify_all()

    def take(self, command: Command) -> None:
        """Work on it when its turn comes, unless that is being done already."""
        with self._guard:
            if command.ended or command.id in self._taken or self._stopping.is_set():
                return
            self._taken.add(command.id)
            pool = self._updates if command.kind is CommandKind.UPDATE else self._others
            pool.submit(self._work_on, command.id)

    def renew(self) -> None:
        """Hold every claim for one more lease, as far as the store answers."""
        with self._guard:
            running = list(self._running.values())
        for claim in running:
            try:
                if not claim.renew():
                    log.warning("the claim on command %s is lost", claim.command.id)
            except Unavailable as error:
                log.warning("the claim on command %s could not be renewed: %s", claim.command.id, error)

    def _adopt(self, operation: Operation) -> None:
        """Give an open operation a command, if the one it had was lost or ended without ending it."""
        original = self._commands.get(self._agent, operation.id)
        if original is not None and not original.ended:
            return
        command_id = operation.id if original is None else f"{operation.id}-{operation.revision}"
        arguments = about_operation(operation.identity, operation.container_id, operation.id)
        command = Command(command_id, self._agent, CommandKind.UPDATE, self._clock.now(), arguments=arguments)
        self._commands.submit(command)
        self.take(command)

    def _work_on(self, command_id: str) -> None:
        try:
            command = self._claim(command_id)
            if command is not None:
                claim = Claim(command, self._commands, self._clock)
                with self._guard:
                    self._running[command_id] = claim
                self._carry_out(claim)
        except (Stale, Unavailable) as error:
            log.warning("command %s is tried again: %s", command_id, error)
            self.sweep_within(LEASE.total_seconds() + _MOMENT)
        except Exception:
            log.exception("command %s could not be worked on; it is tried again", command_id)
            self.sweep_within(LEASE.total_seconds() + _MOMENT)
        finally:
            with self._guard:
                self._running.pop(command_id, None)
                self._taken.discard(command_id)

    def _claim(self, command_id: str) -> Command | None:
        """Claim it; None when it is not to be had. Raises Unavailable when the store stays away.

        A claim whose answer was lost is recognised: nobody else has this owner, and no other thread this command.
        """
        for attempt in range(_CLAIM_ATTEMPTS):
            now = self._clock.now()
            try:
                command = self._commands.claim(self._agent, command_id, self._owner, now, now + LEASE)
                if command is None and attempt:
                    found = self._commands.get(self._agent, command_id)
                    ours = found is not None and found.state is CommandState.RUNNING and found.owner == self._owner
                    return found if ours else None
                return command
            except Unavailable:
                if attempt == _CLAIM_ATTEMPTS - 1:
                    raise
                self._stopping.wait(_TROUBLE_PAUSE)
        return None

    def _carry_out(self, claim: Claim) -> None:
        """Perform it and store its end. What only waits for the store or the engine is left for later."""
        command = claim.command
        result: Mapping[str, Any]
        state = CommandState.FAILED
        if command.kind is not CommandKind.UPDATE and command.stale(self._clock.now()):
            result = {"error": "the executor heard of it too late", "error_kind": "Failed"}
        else:
            try:
                since = self._attentive_since or self._clock.now()
                result, state = self._perform(claim, since), CommandState.DONE
            except HandedOver as error:
                return self._hand_over(claim, error)
            except (Stale, Unavailable) as error:
                return self._leave(claim, error)
            except SlipwayError as error:
                if command.kind is CommandKind.UPDATE and not isinstance(error, _VERDICTS):
                    return self._leave(claim, error)
                result = {"error": str(error), "error_kind": type(error).__name__}
            except Exception as error:
                log.exception("command %s failed", command.id)
                result = {"error": f"{type(error).__name__}: {error}", "error_kind": "Failed"}
        ended = replace(command, state=state, result=result, ended_at=self._clock.now())
        if not claim.finish(ended):
            log.warning("command %s was claimed by somebody else before it ended", command.id)
        return None

    def _leave(self, claim: Claim, why: SlipwayError) -> None:
        """Let it be claimed again in a moment."""
        log.warning("command %s is left for later: %s", claim.command.id, why)
        pause = claim.leave(claim.command.pause)
        self.sweep_within(pause.total_seconds() + _MOMENT)

    def _hand_over(self, claim: Claim, to_whom: SlipwayError) -> None:
        """Let the other one claim it at once; whether that happened is looked at when a lease would have run out."""
        log.info("command %s: %s", claim.command.id, to_whom)
        claim.leave(timedelta(0))
        self.sweep_within(LEASE.total_seconds() + _MOMENT)

    def _busy(self) -> bool:
        with self._guard:
            return bool(self._running)

    def _receive(self) -> None:
        while not self._stopping.is_set():
            try:
                for wake_up in self._queue.receive(self._agent, POLL_SECONDS):
                    if self._stopping.is_set():
                        # Heard too late to be worked on here: it is for whoever comes next.
                        self._queue.give_back(self._agent, wake_up)
                        continue
                    command = self._commands.get(self._agent, wake_up.command_id)
                    if command is not None:
                        self.take(command)
                    self._queue.done(self._agent, wake_up)
            except Unavailable as error:
                log.warning("%s", error)
                self.sweep_within(0)
                self._stopping.wait(_TROUBLE_PAUSE)
            except Exception:
                log.exception("receiving")
                self._stopping.wait(_TROUBLE_PAUSE)

    def _sweep_again(self) -> None:
        while not self._stopping.is_set():
            with self._sooner:
                while not self._stopping.is_set() and (left := self._sweep_at - time.monotonic()) > 0:
                    self._sooner.wait(left)
                self._sweep_at = time.monotonic() + SWEEP_SECONDS
            if self._stopping.is_set():
                return
            try:
                self.sweep()
            except Unavailable as error:
                log.warning("%s", error)
                self._attentive_since = None
                self.sweep_within(_TROUBLE_PAUSE)
            except Exception:
                log.exception("sweeping")

    def _renew_again(self) -> None:
        while not self._stopping.is_set() or self._busy():
            self.renew()
            self._stopping.wait(RENEWAL.total_seconds())
            if self._stopping.is_set():
                time.sleep(_TROUBLE_PAUSE)
