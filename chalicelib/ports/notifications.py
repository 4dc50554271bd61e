"""Telling people and programs: the outbox notices wait in, and whoever delivers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from chalicelib.domain.container import Container
from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.notice import Event, Message, Notice, Rule, Rules
from chalicelib.domain.trigger import Trigger


class NotSent(SlipwayError):
    """A message could not be sent; says why without any secret of the trigger. Another attempt may help."""


class Outbox(Protocol):
    """Notices by agent and key. Every change of one is conditional on the state before."""

    def put(self, notice: Notice) -> bool:
        """Add it; False when its key is known already, whatever became of that one."""
        ...

    def open(self, agent: str) -> list[Notice]:
        """Those of an agent that wait or were given up, oldest first."""
        ...

    def get(self, agent: str, key: str) -> Notice | None:
        """One notice, whatever became of it."""
        ...

    def claim(self, notice: Notice, owner: str, now: datetime, until: datetime, sent_as: str) -> Notice | None:
        """Take it for sending until then; None when somebody else has, or it waits no more.

        It is called `sent_as` from the first time on, whatever it is called later.
        """
        ...

    def settle(self, notice: Notice) -> bool:
        """Store what became of a claimed one, and free it; False when the claim was lost.

        What has gone out has gone out, whoever holds the claim by now.
        """
        ...

    def hasten(self, notice: Notice, due_at: datetime) -> bool:
        """Let one that has never been sent be due earlier; False when it is being sent, or waits no more."""
        ...

    def revive(self, notice: Notice) -> bool:
        """Let one that was given up wait again; False when it was not given up."""
        ...

    def remove(self, agent: str, key: str) -> None:
        """Forget one that was given up."""
        ...

    def remember(self, agent: str, key: str, receipt: str, until: datetime) -> None:
        """Keep one more receipt under a key, until then at least."""
        ...

    def receipts(self, agent: str, key: str) -> frozenset[str]:
        """What was kept under it."""
        ...

    def forget_receipts(self, agent: str, key: str) -> None:
        """Forget what was kept under it."""
        ...


class RuleStore(Protocol):
    """Which events are told to whom, as operators have changed it."""

    def rules(self) -> Rules:
        """All of them."""
        ...

    def put(self, event: Event, rule: Rule) -> None:
        """Change one."""
        ...


class Sender(Protocol):
    """Delivers messages by every type of trigger."""

    def send(self, trigger: Trigger, message: Message) -> str | None:
        """Deliver it; what names the message where it has gone, if anything does. Raises NotSent."""
        ...


class Author(Protocol):
    """Puts into words, and into documents, what has happened."""

    def content(self, container: Container | None, facts: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a notice about it keeps; facts are in words with underscores. Holds no secret."""
        ...

    def write(self, trigger: Trigger, notices: Sequence[Notice], key: str) -> Message:
        """The message that tells all of these at once."""
        ...
