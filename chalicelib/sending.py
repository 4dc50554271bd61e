"""Whoever sends what waits in the outbox: put together once, for executors and for the Lambda on the queue alike."""

from __future__ import annotations

import logging
from collections.abc import Callable

from chalicelib.bootstrap import Services
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.domain.notice import Notice
from chalicelib.domain.trigger_options import ACTION_TYPES
from chalicelib.usecases.deliver import Deliver

log = logging.getLogger(__name__)

ELSEWHERE = "lambda"
"""The value of SLIPWAY_NOTIFICATIONS_FROM by which executors leave notifications to the Lambda."""


def beside_an_engine(services: Services) -> Deliver:
    """An executor's sender: of everything, or of actions alone when notifications are sent from elsewhere."""
    elsewhere = services.settings.triggers.sent_from == ELSEWHERE
    return _deliver(services, lambda kind: kind in ACTION_TYPES or not elsewhere)


def on_the_queue(services: Services) -> Deliver:
    """The Lambda's sender: of notifications. Commands run on their host, whoever sends the rest."""
    return _deliver(services, lambda kind: kind not in ACTION_TYPES)


def _deliver(services: Services, sends: Callable[[str], bool]) -> Deliver:
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
        sends,
    )
