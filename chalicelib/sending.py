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

TELLING = 2
"""Threads of an executor that send notifications: a slow receiver must not hold up the others."""
ELSEWHERE = "lambda"
"""The value of SLIPWAY_NOTIFICATIONS_FROM by which executors leave notifications to the Lambda."""


def beside_an_engine(services: Services) -> list[Deliver]:
    """An executor's senders, each for a thread of its own; actions alone when notifications are sent from elsewhere.

    Commands may take their time: where there are any, no notification waits for one.
    """
    triggers = services.settings.triggers
    acting = _deliver(services, lambda kind: kind in ACTION_TYPES)
    if triggers.sent_from == ELSEWHERE:
        return [acting]
    if any(one.type == "command" for one in triggers.triggers):
        return [*[on_the_queue(services)] * TELLING, acting]
    return [_deliver(services, lambda _kind: True)] * TELLING


def on_the_queue(services: Services) -> Deliver:
    """A sender of notifications, as it is the Lambda's. Commands run on their host, whoever sends the rest."""
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
