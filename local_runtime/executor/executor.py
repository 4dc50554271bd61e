"""An executor put together: its engines, the worker, the followers, the schedules and the heartbeat."""

from __future__ import annotations

import logging
import os
import platform
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.agent import HEARTBEAT, Agent
from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.errors import SlipwayError
from local_runtime.executor.blueprints import Blueprints
from local_runtime.executor.busy import Busy
from local_runtime.executor.checks import Checks
from local_runtime.executor.conclusion import Conclusion
from local_runtime.executor.follow import Follower
from local_runtime.executor.guard import Guard
from local_runtime.executor.observer import Observer
from local_runtime.executor.performer import Performer
from local_runtime.executor.schedule import Schedule, Timetable
from local_runtime.executor.station import Connect, connect, station
from local_runtime.executor.watcher import Tools, Watcher
from local_runtime.executor.worker import Worker

log = logging.getLogger(__name__)

_BACKGROUND = 4
_TIDY_SECONDS = 600.0


class Executor:
    """Everything that runs beside the engines of one agent."""

    def __init__(self, services: Services, owner: str, connect: Connect = connect) -> None:
        self._services = services
        self._settings = services.settings
        self._owner = owner
        self._registries = services.registries
        self._background = ThreadPoolExecutor(_BACKGROUND, thread_name_prefix="background")
        self._checks = Checks(services)
        self._stopping = threading.Event()
        busy = Busy()
        self._guard = Guard(services, busy, self._later)
        tools = Tools(
            containers=services.containers,
            operations=services.operations,
            audit=services.audit,
            registries=self._registries,
            patterns=services.patterns,
            check=self._guard.following(self._checks.of),
            clock=services.clock,
            busy=busy,
        )
        self._blueprints = Blueprints(self._settings.data / "operations")
        self._stations = {
            watcher.name: station(services, watcher, connect(watcher), tools, self._blueprints, self._guard.gatekeeper)
            for watcher in self._settings.watchers
        }
        conclusion = Conclusion(services.containers, services.audit, services.clock)
        performer = Performer(self._stations, conclusion, busy, self._later)
        self._observer = Observer(services, {name: station.watcher for name, station in self._stations.items()})
        self._worker = Worker(
            self._settings.agent,
            owner,
            services.commands,
            services.operations,
            services.queue,
            services.clock,
            self._observer.beside(self._guard.beside(performer.perform)),
            self._settings.update_max_concurrent,
        )
        watchers = [station.watcher for station in self._stations.values()]
        self._guard.attach({watcher.name: watcher for watcher in watchers})
        self._followers = [
            Follower(watcher, services.clock, self._later) for watcher in watchers if watcher.settings.watch_events
        ]
        self._schedules = [Schedule(_timetable(watcher), services.clock, watcher.scan) for watcher in watchers]
        self._beats = [
            threading.Thread(target=self._again, args=(work, seconds), name=name, daemon=True)
            for name, work, seconds in (
                ("heartbeat", self._report, HEARTBEAT.total_seconds()),
                ("tidy", self._order_tidying, _TIDY_SECONDS),
            )
        ]

    def start(self) -> None:
        """Report, then take commands, follow events and scan. Raises Unavailable when the store does not answer."""
        self._report()
        unfinished = {operation.id for operation in self._services.operations.open_of(self._settings.agent)}
        self._blueprints.forget_all_but(unfinished)
        self._order_tidying()
        self._worker.start()
        self._observer.start()
        self._guard.start()
        for beat in self._beats:
            beat.start()
        for follower in self._followers:
            follower.start()
        for schedule in self._schedules:
            schedule.start()

    def stop(self, patience: float) -> None:
        """Stop everything; running commands get that many seconds."""
        self._stopping.set()
        for schedule in self._schedules:
            schedule.stop()
        for follower in self._followers:
            follower.stop()
        self._guard.stop()
        self._observer.stop()
        self._worker.stop(patience)
        self._background.shutdown(wait=False, cancel_futures=True)
        self._checks.stop()
        self._registries.close()

    def _later(self, work: Callable[[], object]) -> object:
        return self._background.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except SlipwayError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("background work failed")

    def _again(self, work: Callable[[], object], seconds: float) -> None:
        while not self._stopping.wait(seconds):
            self._guarded(work)

    def _order_tidying(self) -> None:
        """An order to oneself: like every other it is claimed, and not lost when the executor is."""
        clock = self._services.clock
        command = Command(clock.new_id(), self._settings.agent, CommandKind.TIDY, clock.now())
        self._services.commands.submit(command)
        self._worker.sweep_within(0)

    def _report(self) -> None:
        agent = Agent(
            name=self._settings.agent,
            executor=self._owner,
            watchers={name: self._watcher_facts(station.watcher) for name, station in self._stations.items()},
            facts={
                "version": self._settings.version,
                "host": platform.node(),
                "os": platform.system().lower(),
                "arch": platform.machine(),
                "cpus": os.cpu_count() or 1,
                "logLevel": self._settings.log_level,
                "registries": self._registries.described(),
                "security": self._guard.facts(),
                "triggers": [
                    {
                        "id": f"docker.{action.name}",
                        "type": "docker",
                        "name": action.name,
                        "configuration": {
                            "prune": action.prune,
                            "dryrun": action.dry_run,
                            "backupcount": action.backup_count,
                        },
                    }
                    for action in self._settings.docker_actions
                ],
            },
        )
        self._services.agents.report(agent, self._services.clock.now())

    def _watcher_facts(self, watcher: Watcher) -> dict[str, Any]:
        facts: dict[str, Any] = {"cron": watcher.settings.cron, "engine": watcher.settings.base_url}
        if watcher.problem is not None:
            facts["error"] = watcher.problem
        return facts


def _timetable(watcher: Watcher) -> Timetable:
    settings = watcher.settings
    variable = f"DD_WATCHER_{settings.name.upper()}_CRON"
    return Timetable(settings.name, variable, settings.cron, settings.jitter_ms, settings.watch_at_start)
