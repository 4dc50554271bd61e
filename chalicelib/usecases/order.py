"""Give an executor an order and wait, within bounds, for what comes of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.agent import Agent
from chalicelib.domain.command import Command, CommandKind, CommandState, about_operation
from chalicelib.domain.errors import Failed, Unavailable
from chalicelib.domain.operation import Operation
from chalicelib.ports.clock import Clock
from chalicelib.ports.queues import Queue
from chalicelib.ports.stores import AgentStore, CommandStore

_FIRST_PAUSE = 0.005
_GROWTH = 1.6
_LONGEST_PAUSE = 0.25
_WAKE_AGAIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Ordering:
    """What it takes to give orders. `patience` bounds the wait for their end."""

    agents: AgentStore
    commands: CommandStore
    queue: Queue
    clock: Clock
    patience: timedelta

    def order(
        self, agent: str, kind: CommandKind, arguments: Mapping[str, Any], *, command_id: str | None = None
    ) -> Command:
        """Write the command down and wake the agent's executor. The item is the truth: a lost wake-up is no loss."""
        command = Command(
            id=command_id or self.clock.new_id(),
            agent=agent,
            kind=kind,
            created_at=self.clock.now(),
            arguments=arguments,
        )
        self.commands.submit(command)
        self._wake(command)
        return command

    def order_operation(self, operation: Operation) -> Command:
        """The command that carries out this operation; they share their id."""
        return self.order(
            operation.identity.agent,
            CommandKind.UPDATE,
            about_operation(operation.identity, operation.container_id, operation.id),
            command_id=operation.id,
        )

    def wait(self, command: Command) -> Command:
        """The command as it stands when it has ended, or when patience has."""
        (ended,) = self.wait_all([command])
        return ended

    def wait_all(self, commands: Iterable[Command]) -> list[Command]:
        """Each of them as it stands when it has ended, or when patience has: one patience for all of them together.

        While nobody has claimed the awaited one its executor is woken again: a message may have gone to one that has
        died.
        """
        until = self.clock.now() + self.patience
        return [self._wait(command, until) for command in commands]

    def _wait(self, command: Command, until: datetime) -> Command:
        woken = self.clock.now()
        pause = _FIRST_PAUSE
        while True:
            current = self.commands.get(command.agent, command.id) or command
            now = self.clock.now()
            left = (until - now).total_seconds()
            if current.ended or left <= 0:
                return current
            if current.state is CommandState.QUEUED and now - woken >= _WAKE_AGAIN:
                woken = now
                self._wake(current)
            self.clock.sleep(min(pause, left))
            pause = min(pause * _GROWTH, _LONGEST_PAUSE)

    def _wake(self, command: Command) -> None:
        with suppress(Unavailable):
            self.queue.wake(command.agent, command.id)

    def require_connected(self, name: str) -> Agent:
        """The agent, heard of lately. Raises Failed: an order to nobody would only keep its asker waiting."""
        now = self.clock.now()
        agent = next((agent for agent in self.agents.all() if agent.name == name), None)
        if agent is None or not agent.connected(now):
            raise Failed(f"Agent {name} is not connected. Start its executor, then try again.")
        return agent

    def connected(self) -> Sequence[Agent]:
        """Every agent heard of lately."""
        now = self.clock.now()
        return [agent for agent in self.agents.all() if agent.connected(now)]
