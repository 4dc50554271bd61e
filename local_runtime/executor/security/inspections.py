"""Looking into the images of containers: on demand, by the clock, and what of it stays true as containers change."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.command import Command, CommandKind, subject
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Invalid, NotFound, SlipwayError
from chalicelib.domain.gate import compared, judged, same_offer
from chalicelib.domain.notice import Cycle
from chalicelib.domain.security import NOTHING_KNOWN, Sbom, Security
from chalicelib.ports.registry import RegistryError
from chalicelib.ports.scanner import ScannerError, Subject
from chalicelib.usecases.assess_image import ImageAssessor
from local_runtime.executor.claim import Claim
from local_runtime.executor.scanners import subjects
from local_runtime.executor.security.alerts import Alerts
from local_runtime.executor.security.bulletin import Bulletin
from local_runtime.executor.watching.watcher import Watcher

log = logging.getLogger(__name__)

BY_HAND = timedelta(minutes=5)
"""A scan asked for by hand takes a result this young: containers of one image are scanned once together."""
A_DAY = timedelta(days=1)

Result = Mapping[str, Any]
Perform = Callable[[Claim, datetime], Result]


class Inspections:
    """Knows the commands that look into images."""

    def __init__(
        self,
        services: Services,
        watchers: Mapping[str, Watcher],
        assessor: ImageAssessor,
        alerts: Alerts,
        bulletin: Bulletin,
    ) -> None:
        self._settings = services.settings.security
        self._services = services
        self._watchers = watchers
        self._assessor = assessor
        self._alerts = alerts
        self._bulletin = bulletin
        self._rounds = threading.Lock()
        self._kinds: dict[CommandKind, Callable[[Command], Result]] = {
            CommandKind.SCAN: self._scan,
            CommandKind.SBOM: self._sbom,
        }

    def beside(self, perform: Perform) -> Perform:
        """Do what is ours to do, and leave the rest to `perform`."""

        def either(claim: Claim, attentive_since: datetime) -> Result:
            inspect = self._kinds.get(claim.command.kind)
            return inspect(claim.command) if inspect else perform(claim, attentive_since)

        return either

    def warm(self) -> None:
        """Fetch what scans need before anybody waits for it."""
        if self._assessor.instruments.scanner is not None:
            self._assessor.instruments.scanner.warm()

    def round(self, max_age: timedelta = A_DAY) -> int:
        """Scan every container's images, one after another of each image; how many. At most one round at a time."""
        if not self._rounds.acquire(blocking=False):
            log.warning("the last round of scans is still going on; this one is left out")
            return 0
        try:
            return self._go_round(max_age)
        finally:
            self._rounds.release()

    def _scan(self, command: Command) -> Result:
        container = self._container(command)
        if self._assessor.instruments.scanner is None:
            raise Invalid("No security scanner is configured; set DD_SECURITY_SCANNER.")
        kept = self._assess(container, BY_HAND)
        return {"status": kept.security.scan.status if kept.security.scan else None}

    def _sbom(self, command: Command) -> Result:
        container = self._container(command)
        image = self._running(container)
        format = str(command.arguments["format"])
        report = self._assessor.sbom_report(image, format)
        known = container.security.sbom
        formats = {*(known.formats if known is not None and known.digest == image.digest else ()), format}
        sbom = Sbom(report.generator, report.image, image.digest, report.generated_at, tuple(sorted(formats)))
        self._keep(container, lambda security: replace(security, sbom=sbom))
        return {"subject": image.key}

    def _assess(self, container: Container, max_age: timedelta, cycle: Cycle | None = None) -> Container:
        """Look into both images of a container and keep what was found, in a cycle or because somebody asks.

        Raises RegistryError, NotFound.
        """
        with self._bulletin.scan(container.id) as end:
            kept = self._assessed(container, max_age, cycle)
            if kept.security.scan is not None:
                end(kept.security.scan.status)
            return kept

    def _assessed(self, container: Container, max_age: timedelta, cycle: Cycle | None) -> Container:
        by_hand = cycle is None
        running = self._look(self._running(container), max_age, by_hand)
        candidate = NOTHING_KNOWN
        if container.candidate is not None:
            try:
                candidate = self._look(self._candidate(container), max_age, by_hand)
            except RegistryError as error:
                log.warning("the candidate of %s is not scanned: %s", container.name, error)
                known = container.security
                candidate = Security(known.update_scan, None, known.update_signature, None, known.update_sbom)
        update_scan = candidate.scan
        if update_scan is not None and self._settings.gate.relative:
            update_scan = compared(update_scan, running.scan)

        def found(known: Security) -> Security:
            return Security(
                scan=running.scan,
                update_scan=update_scan,
                signature=running.signature,
                update_signature=candidate.signature,
                sbom=running.sbom or known.sbom,
                update_sbom=candidate.sbom,
            )

        after = self._keep(container, found)
        quiet = not by_hand and not self._settings.scan_notifications
        self._alerts.about(container, after.security, by_hand=by_hand, quiet=quiet, cycle=cycle)
        return after

    def _look(self, image: Subject, max_age: timedelta, by_hand: bool) -> Security:
        formats = self._settings.sbom_formats if self._settings.sbom else ()
        return Security(
            signature=self._assessor.signature(image),
            scan=self._assessor.scan(image, max_age, spare_failed=not by_hand),
            sbom=self._assessor.sbom(image, formats),
        )

    def _keep(self, container: Container, change: Callable[[Security], Security]) -> Container:
        """Store what was found, unless the container has changed meanwhile: then only what is still true of it."""

        def amended(now: Container) -> Container:
            if now.image.id != container.image.id:
                return now
            security = change(now.security)
            if not same_offer(container.candidate, now.candidate):
                security = security.without_candidate()
            return replace(now, security=judged(self._settings.gate, now.own_labels, security))

        kept = self._watchers[container.identity.watcher].amend(container.identity, amended)
        if kept is None:
            raise NotFound(f"{container.name} has been removed meanwhile")
        return kept

    def _go_round(self, max_age: timedelta) -> int:
        try:
            self.warm()
        except ScannerError as error:
            log.warning("scans go on with the database there is: %s", error)
        agent, containers = self._services.settings.agent, self._services.containers
        images: dict[tuple[str, str], list[Container]] = {}
        for name in self._watchers:
            for one in containers.of_watcher(agent, name):
                images.setdefault((one.image.identifying_digest, one.image.platform.architecture), []).append(one)
        until = self._services.clock.now() + timedelta(seconds=self._settings.scan_batch_seconds)
        cycle = Cycle(self._services.clock.new_id(), until)
        try:
            with ThreadPoolExecutor(self._settings.scan_concurrency, thread_name_prefix="scan") as pool:
                done = pool.map(
                    lambda same: sum(self._one_of_many(one, max_age, cycle) for one in same), images.values()
                )
                return sum(done)
        finally:
            self._alerts.over(cycle)

    def _one_of_many(self, container: Container, max_age: timedelta, cycle: Cycle) -> int:
        if self._services.clock.now() > cycle.until:
            return 0
        try:
            self._assess(container, max_age, cycle=cycle)
        except SlipwayError as error:
            log.warning("%s is not scanned: %s", container.name, error)
            return 0
        except Exception:
            log.exception("%s is not scanned", container.name)
            return 0
        return 1

    def _container(self, command: Command) -> Container:
        identity, _ = subject(command)
        found = self._services.containers.get(identity)
        if found is None or identity.watcher not in self._watchers:
            raise NotFound(f"{identity.name} is not watched here any more")
        return found

    def _running(self, container: Container) -> Subject:
        return subjects.running(container, self._services.registries, self._engine_url(container))

    def _candidate(self, container: Container) -> Subject:
        registries = self._services.registries
        return subjects.candidate(container, registries.cycle(), registries, self._engine_url(container))

    def _engine_url(self, container: Container) -> str:
        return self._watchers[container.identity.watcher].settings.base_url
