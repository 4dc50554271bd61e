"""Sending what waits, wherever it is done; and when a digest is due."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from cronsim import CronSim, CronSimError

from chalicelib.bootstrap import Services
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.domain.notice import Notice
from chalicelib.usecases.deliver import Deliver

log = logging.getLogger(__name__)


def deliverer(services: Services) -> Deliver:
    """Whatever sends for these services: beside an engine, or on a queue."""

    def gave_up(notice: Notice) -> None:
        log.warning("notice %s was given up: %s", notice.key, notice.last_error)
        identity = notice.identity or Identity(notice.agent, "", notice.agent)
        entry = AuditEntry(
            f"{notice.key}:given-up",
            services.clock.now(),
            "notification-delivery-failed",
            "error",
            identity,
            trigger=notice.trigger,
            details=notice.last_error,
        )
        services.audit.add([entry])

    return Deliver(
        services.settings.triggers.triggers,
        services.outbox,
        services.author,
        services.sender,
        services.clock,
        services.containers.get,
        gave_up,
    )


def next_time(cron: str, now: datetime) -> datetime:
    """The next moment a cron expression names; an hour from now when it names none."""
    try:
        return next(CronSim(cron, now))
    except (CronSimError, StopIteration):
        return now + timedelta(hours=1)
