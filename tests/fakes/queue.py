"""A queue in memory: messages come again until they are done with, and can be lost, doubled, held back and shuffled."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from chalicelib.domain.errors import Unavailable
from chalicelib.ports.queues import WakeUp


@dataclass
class FakeQueue:
    """A Queue. While `lossy`, what is sent is lost; while `broken`, nothing works."""

    lossy: bool = False
    broken: bool = False
    _lines: dict[str, list[WakeUp]] = field(default_factory=dict)
    _taken: dict[str, tuple[str, WakeUp]] = field(default_factory=dict)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _receipts: itertools.count[int] = field(default_factory=itertools.count)

    def wake(self, agent: str, command_id: str) -> None:
        self._work()
        with self._changed:
            if not self.lossy:
                self._lines.setdefault(agent, []).append(WakeUp(command_id, str(next(self._receipts))))
            self._changed.notify_all()

    def receive(self, agent: str, wait_seconds: int) -> Sequence[WakeUp]:
        self._work()
        with self._changed:
            self._changed.wait_for(lambda: self._lines.get(agent), min(wait_seconds, 0.05))
            waiting = self._lines.get(agent, [])
            taken, self._lines[agent] = waiting[:10], waiting[10:]
            self._taken |= {one.receipt: (agent, one) for one in taken}
            return taken

    def done(self, agent: str, wake_up: WakeUp) -> None:
        self._work()
        with self._changed:
            self._taken.pop(wake_up.receipt, None)

    def give_back(self, agent: str, wake_up: WakeUp) -> None:
        self._work()
        with self._changed:
            if self._taken.pop(wake_up.receipt, None) is not None:
                again = WakeUp(wake_up.command_id, str(next(self._receipts)))
                self._lines.setdefault(agent, []).append(again)
            self._changed.notify_all()

    def time_out(self) -> None:
        """Whatever was received and not done with comes again."""
        with self._changed:
            for agent, wake_up in self._taken.values():
                again = WakeUp(wake_up.command_id, str(next(self._receipts)))
                self._lines.setdefault(agent, []).append(again)
            self._taken = {}
            self._changed.notify_all()

    def _work(self) -> None:
        if self.broken:
            raise Unavailable("the queue does not answer")
