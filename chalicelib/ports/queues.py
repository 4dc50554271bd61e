"""The wake-up line between the API and its executors; losing, doubling or delaying a message changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

NOTIFICATIONS = "@notifications"
"""The line of whoever sends notifications from elsewhere; its messages name agents. No agent can be called so."""


@dataclass(frozen=True, slots=True)
class WakeUp:
    """One received message: look at this command. `receipt` ends its delivery."""

    command_id: str
    receipt: str


class Queue(Protocol):
    """One line per agent, and one for notifications."""

    def wake(self, agent: str, command_id: str) -> None:
        """Tell the agent's executor to look at a command."""
        ...

    def receive(self, agent: str, wait_seconds: int) -> Sequence[WakeUp]:
        """Messages for the agent, waiting up to that long for the first."""
        ...

    def done(self, agent: str, wake_up: WakeUp) -> None:
        """Do not deliver this message again."""
        ...

    def give_back(self, agent: str, wake_up: WakeUp) -> None:
        """Deliver this message, which is not done with, again at once, to whoever receives next."""
        ...
