"""Everything about the safety of images, put together: tools, gate, commands, rounds by the clock."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from cronsim import CronSim, CronSimError

from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container, Identity
from chalicelib.settings_security import SecuritySettings
from chalicelib.usecases.assess_image import ImageAssessor
from local_runtime.executor.scanners.container import launcher
from local_runtime.executor.scanners.toolbox import instruments
from local_runtime.executor.schedule import Schedule, Timetable
from local_runtime.executor.security.alerts import Alerts, Voice
from local_runtime.executor.security.bulletin import Bulletin
from local_runtime.executor.security.gatekeeper import Gatekeeper
from local_runtime.executor.security.inspections import A_DAY, Inspections
from local_runtime.executor.watching.watcher import Watcher


class Guard:
    """Made before the watchers, which `attach` gives it: it looks into the images of their containers."""

    def __init__(self, services: Services, later: Callable[[Callable[[], object]], object], voice: Voice) -> None:
        settings = services.settings
        self._settings = settings.security
        self._later = later
        engines = {watcher.name: watcher for watcher in settings.watchers}
        image = self._settings.trivy_image
        in_container = launcher(image, next(iter(engines.values()))) if image and engines else None
        self._instruments = instruments(self._settings, settings.data, services.clock, in_container)
        assessor = ImageAssessor(self._instruments, services.reports, services.clock, self._settings.block_severities)
        alerts = Alerts(services.audit, services.clock, voice)
        urls = {name: watcher.base_url for name, watcher in engines.items()}
        self._watchers: dict[str, Watcher] = {}
        self.gatekeeper = Gatekeeper(services, assessor, alerts, urls, self._amend)
        self.bulletin = Bulletin(services.clock)
        self._inspections = Inspections(services, self._watchers, assessor, alerts, self.bulletin)
        self.beside = self._inspections.beside
        self._schedule: Schedule | None = None
        if self._instruments.scanner is not None and self._settings.scan_cron:
            table = Timetable("scans", "DD_SECURITY_SCAN_CRON", self._settings.scan_cron, self._settings.scan_jitter_ms)
            age = _max_age(self._settings.scan_cron, services.clock.now())
            self._schedule = Schedule(table, services.clock, lambda: self._inspections.round(age))

    def attach(self, watchers: Mapping[str, Watcher]) -> None:
        """The watchers whose containers are looked at."""
        self._watchers.update(watchers)

    def start(self) -> None:
        """Fetch what scans need, and begin the rounds."""
        self._later(self._inspections.warm)
        if self._schedule is not None:
            self._schedule.start()

    def stop(self) -> None:
        """No further round."""
        if self._schedule is not None:
            self._schedule.stop()

    def _amend(self, identity: Identity, change: Callable[[Container], Container]) -> Container | None:
        return self._watchers[identity.watcher].amend(identity, change)

    def _needed(self) -> list[str]:
        """The programs that the settings call for."""
        needed = {"trivy": ["trivy"], "grype": ["grype"], "both": ["trivy", "grype"]}.get(self._settings.scanner, [])
        if self._settings.scanner == "grype" and self._settings.sbom:
            needed = [*needed, "syft"]
        return [*needed, "cosign"] if self._settings.verify_signatures else needed

    def facts(self) -> dict[str, Any]:
        """What the agent reports of it: the tools that are configured."""
        return {
            "scanner": self._settings.scanner,
            "server": self._settings.trivy_server or "",
            "signatures": self._instruments.verifier is not None,
            "sbom": self._settings.sbom,
            "formats": list(self._settings.sbom_formats),
            "tools": [_presence(name, self._settings) for name in self._needed()],
        }


def _presence(name: str, settings: SecuritySettings) -> dict[str, Any]:
    """A program by name: how it is called, and whether it is there."""
    if name == "trivy" and settings.trivy_image:
        return {"name": name, "command": settings.trivy_image, "available": True}
    tools = {"trivy": settings.trivy, "grype": settings.grype, "syft": settings.syft, "cosign": settings.cosign}
    command = tools[name].command[0] if tools[name].command else name
    there = shutil.which(command, path=settings.tool_environment.get("PATH")) is not None
    return {"name": name, "command": command, "available": there}


def _max_age(cron: str, now: datetime) -> timedelta:
    """How old a result may be for a round: half the time between two rounds, for they come with some jitter."""
    try:
        first, second = next(pairwise(_times(cron, now)))
    except (CronSimError, StopIteration):
        return A_DAY
    return min(A_DAY, (second - first) / 2)


def _times(cron: str, now: datetime) -> Iterator[datetime]:
    return iter(CronSim(cron, now))
