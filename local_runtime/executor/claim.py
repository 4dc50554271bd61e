"""The right to change a host for a command: it lasts as long as the lease, and every act on the host asks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, cast

from chalicelib.domain.command import LEASE, Command
from chalicelib.domain.errors import SlipwayError, Stale, Unavailable
from chalicelib.ports.clock import Clock
from chalicelib.ports.engine import Engine
from chalicelib.ports.stores import CommandStore

_PAUSE = 0.5
_ATTEMPTS = 5


class HandedOver(SlipwayError):
    """Somebody else carries the command on: the claim is left to them."""


class Claim:
    """One claimed command and the lease on it. Safe to use from several threads."""

    def __init__(self, command: Command, commands: CommandStore, clock: Clock) -> None:
        self.command = command
        self._commands = commands
        self._clock = clock
        self._guard = threading.Lock()
        self._hold(command.lease_until or clock.now(), clock.now(), clock.monotonic())
        self._lost = False
        self._down = 0

    def renew(self) -> bool:
        """Hold it for one more lease; False once it is lost. Raises Unavailable when the store does not answer."""
        with self._guard:
            now, began = self._clock.now(), self._clock.monotonic()
            until = now + LEASE
            if self._lost or not self._commands.renew(self.command, until):
                self._lost = True
                return False
            self._hold(until, now, began)
            return True

    def require(self) -> None:
        """Raises Stale unless the host may be touched.

        A lease that ran out while the store was away is asked for again. As long as the service is down the wish to
        bring it back outweighs the doubt; a claim known to be lost is lost all the same.
        """
        if not self._lost and self._left() > 0:
            return
        try:
            held = self.renew()
        except Unavailable as trouble:
            if self._down:
                return
            raise Stale(f"the claim on command {self.command.id} ran out: {trouble}") from trouble
        if not held:
            raise Stale(f"the claim on command {self.command.id} is lost")

    def leave(self, pause: timedelta) -> timedelta:
        """Give it up: whoever looks may claim it after that pause, or, if the store cannot be told so, after the lease.

        Gives how long that is.
        """
        for _ in range(_ATTEMPTS):
            try:
                self._commands.renew(self.command, self._clock.now() + pause)
            except Unavailable:
                self._clock.sleep(_PAUSE)
            else:
                self._lost = True
                return pause
        return LEASE

    def finish(self, ended: Command) -> bool:
        """Store the command's end, asking again until the store answers; False when the claim was lost meanwhile.

        Raises Stale when the claim runs out before the store answers.
        """
        while True:
            try:
                return self._commands.finish(ended)
            except Unavailable:
                self.require()
                self._clock.sleep(_PAUSE)

    @contextmanager
    def service_down(self) -> Iterator[None]:
        """While the service stands still; it begins with a claim that is sure to last for a while."""
        if not self._down:
            self._fresh()
        self._down += 1
        try:
            yield
        finally:
            self._down -= 1

    def _hold(self, until: datetime, now: datetime, began: float) -> None:
        self._until, self._deadline = until, began + (until - now).total_seconds()

    def _left(self) -> float:
        """Seconds the lease lasts: by the clock that others go by, and no longer than has been measured here.

        The first alone would stretch a lease when the machine's clock is set back, the second when it has slept.
        """
        by_clock = (self._until - self._clock.now()).total_seconds()
        return min(by_clock, self._deadline - self._clock.monotonic())

    def _fresh(self) -> None:
        if not self._lost and self._left() > LEASE.total_seconds() / 2:
            return
        try:
            if not self.renew():
                raise Stale(f"the claim on command {self.command.id} is lost")
        except Unavailable:
            self.require()


class _Fenced:
    """An engine every call of which asks for the claim first."""

    def __init__(self, engine: Engine, require: Callable[[], None]) -> None:
        self._engine = engine
        self._require = require

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._engine, name)

        def call(*arguments: Any, **options: Any) -> Any:
            self._require()
            return method(*arguments, **options)

        return call


def fenced(engine: Engine, claim: Claim) -> Engine:
    """The engine, as long as the claim holds; then every call raises Stale."""
    return cast(Engine, _Fenced(engine, claim.require))
