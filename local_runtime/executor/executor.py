"""An executor put together: its engines, the worker, the followers, the schedules and the heartbeat."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.config import WatcherSettings
from chalicelib.domain.agent import HEARTBEAT, Agent
from chalicelib.domain.container import Container
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.usecases.detect import detect
from local_runtime.engine.docker_engine import DockerEngine, Tls
from local_runtime.executor.busy import Busy
from local_runtime.executor.follow import Follower
from local_runtime.executor.host import Host
from local_runtime.executor.observer import Observer
from local_runtime.executor.performer import Performer, Station
from local_runtime.executor.schedule import Schedule
from local_runtime.executor.watcher import Tools, Watcher
from local_runtime.executor.worker import Worker

log = logging.getLogger(__name__)

_CHECKS = 10
_BACKGROUND = 4
_COMMANDS_BESIDE_UPDATES = 8


class Executor:
    """Everything that runs beside the engines of one agent."""

    def __init__(self, services: Services, owner: str) -> None:
        self._services = services
        self._settings = services.settings
        self._owner = owner
        self._registries = services.registries
        self._background = ThreadPoolExecutor(_BACKGROUND, thread_name_prefix="background")
        self._checks = ThreadPoolExecutor(_CHECKS, thread_name_prefix="check")
        self._stopping = threading.Event()
        busy = Busy()
        tools = Tools(
            containers=services.containers,
            audit=services.audit,
            registries=self._registries,
            patterns=services.patterns,
            check=self._check,
            clock=services.clock,
            busy=busy,
        )
        self._stations = {settings.name: self._station(settings, tools) for settings in self._settings.watchers}
        performer = Performer(self._stations, services.containers, services.audit, busy, self._later)
        self._observer = Observer(services, {name: station.watcher for name, station in self._stations.items()})
        self._worker = Worker(
            self._settings.agent,
            owner,
            services.commands,
            services.operations,
            services.queue,
            services.clock,
            self._observer.beside(performer.perform),
            self._settings.update_max_concurrent + _COMMANDS_BESIDE_UPDATES,
        )
        watchers = [station.watcher for station in self._stations.values()]
        self._followers = [
            Follower(watcher, services.clock, self._later) for watcher in watchers if watcher.settings.watch_events
        ]
        self._schedules = [Schedule(watcher.settings, services.clock, watcher.scan) for watcher in watchers]
        self._heart = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Report, then take commands, follow events and scan. Raises Unavailable when the store does not answer."""
        self._report()
        self._worker.start()
        self._observer.start()
        self._heart.start()
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
        self._observer.stop()
        self._worker.stop(patience)
        self._background.shutdown(wait=False, cancel_futures=True)
        self._checks.shutdown(wait=False, cancel_futures=True)
        self._registries.close()

    def _station(self, settings: WatcherSettings, tools: Tools) -> Station:
        files = (settings.ca_file, settings.cert_file, settings.key_file)
        tls = Tls(*files) if any(files) else None
        engine = DockerEngine(settings.base_url, tls=tls)
        services = self._services
        host = Host(engine, services.operations, services.backups, self._registries, services.clock, self._settings)
        return Station(Watcher(self._settings.agent, settings, engine, tools), host)

    def _check(self, containers: Sequence[Container]) -> Iterable[Container]:
        """One detection cycle over these containers, several at a time."""
        registry = self._registries.cycle()
        now = self._services.clock.now()

        def one(container: Container) -> Container:
            return detect(container, registry, compile=self._services.patterns, now=now)

        futures: list[Future[Container]] = [self._checks.submit(one, container) for container in containers]
        for future in as_completed(futures):
            try:
                yield future.result()
            except Exception:
                log.exception("a container could not be checked")

    def _later(self, work: Callable[[], object]) -> object:
        return self._background.submit(self._guarded, work)

    def _guarded(self, work: Callable[[], object]) -> None:
        try:
            work()
        except SlipwayError as error:
            log.warning("%s", error)
        except Exception:
            log.exception("background work failed")

    def _beat(self) -> None:
        while not self._stopping.wait(HEARTBEAT.total_seconds()):
            try:
                self._report()
            except Unavailable as error:
                log.warning("%s", error)
            except Exception:
                log.exception("the heartbeat failed")

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
