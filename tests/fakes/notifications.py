"""A sender that remembers what it was given, and can be told to fail or to die."""

from __future__ import annotations

from dataclasses import dataclass, field

from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent


class Killed(BaseException):
    """The process is gone: nothing after this line happens."""


@dataclass
class FakeSender:
    """Everything that arrived, in order."""

    arrived: list[tuple[str, Message]] = field(default_factory=list)
    error: str | None = None

    def send(self, trigger: Trigger, message: Message) -> str | None:
        """Take it, unless it fails; each has a number of its own."""
        if self.error is not None:
            raise NotSent(self.error)
        self.arrived.append((trigger.id, message))
        return str(len(self.arrived))


@dataclass
class Mortal:
    """Stands before an outbox or a sender, and dies at its n-th step: before it has had its effect, or just after."""

    inner: object
    deaths: Deaths

    def __getattr__(self, name: str) -> object:
        method = getattr(self.inner, name)

        def step(*arguments: object) -> object:
            self.deaths.before()
            result = method(*arguments)
            self.deaths.after()
            return result

        return step


@dataclass
class Deaths:
    """When to die: at which step of all, counted from 0, and whether after it; never when `at` is nothing."""

    at: int | None
    late: bool
    steps: int = 0

    def before(self) -> None:
        """A step begins."""
        if self.steps == self.at and not self.late:
            raise Killed

    def after(self) -> None:
        """A step has been done."""
        if self.steps == self.at and self.late:
            raise Killed
        self.steps += 1
