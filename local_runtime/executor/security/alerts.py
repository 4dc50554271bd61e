"""Alerts, in the audit log and to triggers: an image has critical or high findings."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.security import ALERT_PAUSE, Scan, Security
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore

Tell = Callable[[Container, str, str], object]
"""Pass it on: the container, what was found, and a name for just this finding."""


class Alerts:
    """One row per container and five minutes; the clock's rounds only report what has changed."""

    def __init__(self, audit: AuditStore, clock: Clock, tell: Tell = lambda *_: None) -> None:
        self._audit = audit
        self._tell = tell
        self._clock = clock
        self._raised: dict[Identity, datetime] = {}
        self._guard = threading.Lock()

    def about(self, before: Container, after: Security, *, by_hand: bool, quiet: bool = False) -> None:
        """Say what was found, when it is severe and news; `quiet` in the audit log alone."""
        pairs = ((before.security.scan, after.scan), (before.security.update_scan, after.update_scan))
        news = [new for old, new in pairs if new is not None and new.summary.severe and (by_hand or _differs(old, new))]
        if not news:
            return
        now = self._clock.now()
        with self._guard:
            last = self._raised.get(before.identity)
            if last is not None and now - last < ALERT_PAUSE:
                return
            self._raised[before.identity] = now
        details = "; ".join(f"{scan.image}: {scan.summary} ({scan.scanner})" for scan in news)
        self._audit.add(
            [
                AuditEntry(
                    id=self._clock.new_id(),
                    at=now,
                    action="security-alert",
                    status="error",
                    identity=before.identity,
                    image=before.image.name,
                    details=details,
                )
            ]
        )
        if quiet:
            return
        finding = " ".join(f"{scan.digest} {scan.summary}" for scan in news)
        self._tell(before, details, f"{finding} {now.isoformat()}" if by_hand else finding)


def _differs(old: Scan | None, new: Scan) -> bool:
    return old is None or old.digest != new.digest or old.summary != new.summary
