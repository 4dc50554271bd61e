"""The gate in an update: the image is here, nothing has been touched, and it may still be refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Failed
from chalicelib.domain.gate import applies, compared, judged, refusal
from chalicelib.domain.operation import Operation
from chalicelib.domain.reference import Reference
from chalicelib.domain.security import Scan
from chalicelib.ports.engine import Engine, EngineError
from chalicelib.ports.registry import RegistryError
from chalicelib.usecases.assess_image import ImageAssessor
from local_runtime.executor.scanners import subjects
from local_runtime.executor.security.alerts import Alerts

Document = Mapping[str, Any]
Amend = Callable[[Identity, Callable[[Container], Container]], Container | None]

MAX_AGE = timedelta(days=1)
"""How old a scan of the very same image may be."""


class Refused(Failed):
    """The gate does not let the candidate pass; the message says why."""


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Judges images after their pull, by the digest that will run: the tag may move on meanwhile."""

    services: Services
    assessor: ImageAssessor
    alerts: Alerts
    engine_urls: Mapping[str, str]
    amend: Amend
    """How a container's record is changed, beside all others who write to it."""

    def require_safe(
        self, operation: Operation, engine: Engine, reference: str, image: Document, before: str | None
    ) -> None:
        """Raise Refused when the pulled image may not run. `before` is the image that bore the reference until then."""
        container = self.services.containers.get(operation.identity)
        rules = self.services.settings.security.gate
        instruments = self.assessor.instruments
        if container is None or (instruments.scanner is None and instruments.verifier is None):
            return
        if not applies(rules, container.own_labels):
            return
        reason = self._judge(container, Reference.parse(reference), image)
        if reason is None:
            return
        if self.services.settings.security.prune_on_block:
            _put_back(engine, reference, str(image["Id"]), before)
        raise Refused(reason)

    def _judge(self, container: Container, reference: Reference, image: Document) -> str | None:
        """Look at the signature, then at the findings; keep both, so that everybody sees why."""
        rules = self.services.settings.security.gate
        url = self.engine_urls[container.identity.watcher]
        try:
            subject = subjects.pulled(reference, image, self.services.registries, url)
            signature = self.assessor.signature(subject)
            reason = refusal(rules, None, signature)
            scan = None if reason else self.assessor.scan(subject, MAX_AGE)
            if scan is not None and rules.relative and scan.blocking_count:
                scan = compared(scan, self._current(container, url))
        except RegistryError as error:
            raise Refused(f"The security gate could not look at {reference.familiar}: {error}") from error

        def amended(now: Container) -> Container:
            found = replace(now.security, update_scan=scan, update_signature=signature)
            return replace(now, security=judged(rules, now.own_labels, found))

        kept = self.amend(container.identity, amended)
        if kept is not None:
            self.alerts.about(container, kept.security, by_hand=False)
        return reason or refusal(rules, scan, signature)

    def _current(self, container: Container, url: str) -> Scan | None:
        """The running image's scan, to compare with."""
        return self.assessor.scan(subjects.running(container, self.services.registries, url), MAX_AGE)


def _put_back(engine: Engine, reference: str, image_id: str, before: str | None) -> None:
    """Leave no trace of a refused image: the reference goes back to what bore it. What is in use stays."""
    with suppress(EngineError):
        if before == image_id:
            return
        if before is None:
            engine.remove_image(reference)
            return
        engine.tag(before, reference)
        engine.remove_image(image_id)
