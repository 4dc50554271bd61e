"""Sending what waits, by threads of this executor or by whoever does it elsewhere; and triggers run by hand."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from cronsim import CronSim, CronSimError

from chalicelib.bootstrap import Services
from chalicelib.domain.command import CommandKind
from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.queues import NOTIFICATIONS
from chalicelib.sending import ELSEWHERE, beside_an_engine
from chalicelib.usecases.deliver import Deliver
from chalicelib.usecases.run_trigger import Waiting, run_trigger
from local_runtime.executor.claim import Claim

log = logging.getLogger(__name__)

Perform = Callable[[Claim, datetime], Mapping[str, Any]]

_LOOK = 5.0
_PATIENCE = 60.0
"""How long somebody who runs a trigger by hand waits for whoever sends elsewhere."""


class Delivery:
    """One executor's sender. When notifications are sent from elsewhere it sends what actions there are, and wakes."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._agent = services.settings.agent
        self._elsewhere = services.settings.triggers.sent_from == ELSEWHERE
        self._stopping = threading.Event()
        self._threads, self._news = [], []
        for number, deliver in enumerate(beside_an_engine(services)):
            self._news.append(news := threading.Event())
            run = partial(self._run, deliver, news)
            self._threads.append(threading.Thread(target=run, name=f"herald-{number}", daemon=True))

    def start(self) -> None:
        """Begin to deliver."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Deliver no more; what waits is delivered after the next start."""
        self._stopping.set()
        self._wake()

    def hurry(self) -> None:
        """There is something new. Raises Unavailable when whoever sends elsewhere cannot be told."""
        self._wake()
        if self._elsewhere:
            self._services.queue.wake(NOTIFICATIONS, self._agent)

    def beside(self, perform: Perform) -> Perform:
        """Run triggers, and leave the rest to `perform`."""
        services = self._services
        waiting = Waiting(services.outbox, self.hurry, time.sleep, _PATIENCE) if self._elsewhere else None

        def either(claim: Claim, attentive_since: datetime) -> Mapping[str, Any]:
            if claim.command.kind is not CommandKind.RUN_TRIGGER:
                return perform(claim, attentive_since)
            triggers, find = services.settings.triggers.triggers, services.containers.get
            return run_trigger(claim.command, triggers, services.author, services.sender, find, waiting)

        return either

    def _wake(self) -> None:
        for news in self._news:
            news.set()

    def _run(self, deliver: Deliver, news: threading.Event) -> None:
        while not self._stopping.is_set():
            try:
                deliver.due(self._agent)
            except SlipwayError as error:
                log.warning("notices: %s", error)
            except Exception:
                log.exception("notices could not be delivered")
            news.wait(_LOOK)
            news.clear()


def next_time(cron: str, now: datetime) -> datetime:
    """The next moment a cron expression names; an hour from now when it names none."""
    try:
        return next(CronSim(cron, now))
    except (CronSimError, StopIteration):
        return now + timedelta(hours=1)
