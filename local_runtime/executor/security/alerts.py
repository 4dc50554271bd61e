"""Alerts, in the audit log and to triggers: an image has critical or high findings."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import Protocol

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.notice import Cycle
from chalicelib.domain.security import ALERT_PAUSE, Scan, Security, alarm_of
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore


class Voice(Protocol):
    """Whoever passes alerts on to triggers."""

    def security_alert(self, container: Container, details: str, report: str, cycle: Cycle | None = None) -> None:
        """What was found, and a name for just this finding; in a cycle of scans, or by itself."""
        ...

    def cycle_over(self, cycle: Cycle) -> None:
        """The cycle finds nothing more."""
        ...


class Alerts:
    """One row per finding and five minutes; the clock's rounds only report what has changed."""

    def __init__(self, audit: AuditStore, clock: Clock, voice: Voice) -> None:
        self._audit = audit
        self._voice = voice
        self._clock = clock
        self._raised: dict[tuple[Identity, str], datetime] = {}
        self._guard = threading.Lock()

    def about(
        self, before: Container, after: Security, *, by_hand: bool, quiet: bool = False, cycle: Cycle | None = None
    ) -> None:
        """Say what was found, when it is severe and news; `quiet` in the audit log alone."""
        pairs = ((before.security.scan, after.scan), (before.security.update_scan, after.update_scan))
        news = [new for old, new in pairs if new is not None and new.summary.severe and (by_hand or _differs(old, new))]
        if not news:
            return
        now, details = self._clock.now(), alarm_of(news)
        finding = " ".join(f"{scan.digest} {scan.summary}" for scan in news)
        with self._guard:
            self._raised = {which: at for which, at in self._raised.items() if now - at < ALERT_PAUSE}
            if (before.identity, finding) in self._raised:
                return
            self._raised[before.identity, finding] = now
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
        if not quiet:
            # What is asked for by hand is told again; what is found by the clock, once.
            self._voice.security_alert(before, details, f"{finding} {now.isoformat()}" if by_hand else finding, cycle)

    def over(self, cycle: Cycle) -> None:
        """A cycle has come to its end."""
        self._voice.cycle_over(cycle)


def _differs(old: Scan | None, new: Scan) -> bool:
    return old is None or old.digest != new.digest or old.summary != new.summary
