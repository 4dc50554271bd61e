"""An executor put together: its engines, the worker, the followers, the schedules and the heartbeat."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from chalicelib.bootstrap import Services
from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.errors import SlipwayError
from local_runtime.executor.busy import Busy
from local_runtime.executor.observing.observer import Observer
from local_runtime.executor.performer import Performer
from local_runtime.executor.reporting.herald import Herald
from local_runtime.executor.reporting.report import Report
from local_runtime.executor.security.guard import Guard
from local_runtime.executor.station import Connect, connect, station, tools_of
from local_runtime.executor.updating.blueprints import Blueprints
from local_runtime.executor.watching.checks import Checks
from local_runtime.executor.watching.follow import Follower
from local_runtime.executor.watching.routine import schedule_of
from local_runtime.executor.worker import Worker

log = logging.getLogger(__name__)

_BACKGROUND = 4
_TIDY_SECONDS = 600.0


class Executor:
    """Everything that runs beside the engines of one agent."""

    def __init__(
        self,
        services: Services,
        owner: str,
        connect: Connect = connect,
        *,
        deputed: bool = False,
        witness: Callable[..., None] | None = None,
    ) -> None:
        """`deputed` says that it acts for another executor and sends no deputy; `witness` proves what it made."""
        self._services = services
        self._settings = services.settings
        self._owner = owner
        self._registries = services.registries
        self._background = ThreadPoolExecutor(_BACKGROUND, thread_name_prefix="background")
        self._checks = Checks(services)
        self._stopping = threading.Event()
        busy = Busy()
        self._herald = Herald(services, self._later)
        self._guard = Guard(services, self._later, self._herald)
        tools = tools_of(services, self._checks.of, busy, self._herald.checked, self._herald.removed)
        self._blueprints = Blueprints(self._settings.data / "operations")
        self._stations = {
            watcher.name: station(services, watcher, connect(watcher), tools, self._blueprints, self._guard.gatekeeper)
            for watcher in self._settings.watchers
        }
        if witness is not None:
            self._stations = {name: one.with_witness(witness) for name, one in self._stations.items()}
        sender = None if deputed else self._settings
        performer = Performer(self._stations, self._herald.conclusion, busy, self._later, self.hurry, sender)
        self._observer = Observer(services, {name: station.watcher for name, station in self._stations.items()})
        self._worker = Worker(
            self._settings.agent,
            owner,
            services.commands,
            services.operations,
            services.queue,
            services.clock,
            self._observer.beside(self._herald.beside(self._guard.beside(performer.perform))),
            self._settings.update_max_concurrent,
        )
        watchers = [station.watcher for station in self._stations.values()]
        self._guard.attach({watcher.name: watcher for watcher in watchers})
        self._herald.lookout.attach({watcher.name: watcher.engine for watcher in watchers})
        self._followers = [
            Follower(watcher, services.clock, self._later) for watcher in watchers if watcher.settings.watch_events
        ]
        self._schedules = [schedule_of(watcher, services.clock) for watcher in watchers]
        by_name = {watcher.name: watcher for watcher in watchers}
        self._heartbeat = Report(
            services,
            owner,
            by_name,
            self._guard.facts,
            self._guard.bulletin,
            self._herald.look_around,
            performer.own_containers,
        )
        self._tidying = threading.Thread(target=self._tidy_again, name="tidy", daemon=True)

    def start(self) -> None:
        """Report, then take commands, follow events and scan.

        Raises Unavailable when the store does not answer; it may then be called again.
        """
        self._heartbeat.start()
        unfinished = {operation.id for operation in self._services.operations.open_of(self._settings.agent)}
        self._blueprints.forget_all_but(unfinished)
        self._order_tidying()
        self._worker.start()
        self._observer.start()
        self._guard.start()
        self._herald.start()
        self._tidying.start()
        for follower in self._followers:
            follower.start()
        for schedule in self._schedules:
            schedule.start()

    def serve(self) -> None:
        """Take commands, and do nothing else. Raises Unavailable when the store does not answer."""
        self._worker.start()

    def stop(self, patience: float) -> None:
        """Stop everything; running commands get that many seconds."""
        self._stopping.set()
        self._heartbeat.stop()
        for schedule in self._schedules:
            schedule.stop()
        for follower in self._followers:
            follower.stop()
        self._guard.stop()
        self._herald.stop()
        self._observer.stop()
        self._worker.stop(patience)
        self._background.shutdown(wait=False, cancel_futures=True)
        self._checks.stop()
        self._registries.close()

    def hurry(self) -> None:
        """Look at once for what is to be done."""
        self._worker.sweep_within(0)

    def _later(self, work: Callable[[], object]) -> object:
        return self._background.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except SlipwayError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("background work failed")

    def _tidy_again(self) -> None:
        while not self._stopping.wait(_TIDY_SECONDS):
            self._guarded(self._order_tidying)

    def _order_tidying(self) -> None:
        """An order to oneself: like every other it is claimed, and not lost when the executor is."""
        clock = self._services.clock
        command = Command(clock.new_id(), self._settings.agent, CommandKind.TIDY, clock.now())
        self._services.commands.submit(command)
        self._worker.sweep_within(0)
