"""Lambda's events that send notifications: messages of the queue, each naming an agent, and the clock's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.domain.errors import SlipwayError
from chalicelib.ports.services import Services

log = logging.getLogger(__name__)

Send = Callable[[str, datetime], object]
"""Send what is due for an agent's triggers, and begin nothing after a moment."""
_BEGINNING = 0.6
"""The part of our time in which messages are begun; the rest is for the slowest receiver, before Lambda ends us."""
SENT_FROM = "notificationsFrom"
"""What an agent tells of itself: who sends its notifications."""


def woken(event: Mapping[str, Any], services: Services, send: Send, milliseconds: int) -> dict[str, Any]:
    """Answer a batch of messages with those to be delivered again: the store did not answer, or something unforeseen.

    What a receiver refuses is no failure of the message: its notice waits in the outbox for the next attempt.
    """
    until = services.clock.now() + timedelta(milliseconds=milliseconds * _BEGINNING)
    failed: dict[str, bool] = {}
    for record in event["Records"]:
        agent = str(record["body"])
        if agent not in failed:
            failed[agent] = not _sent(agent, send, until)
    again = [record["messageId"] for record in event["Records"] if failed[str(record["body"])]]
    return {"batchItemFailures": [{"itemIdentifier": one} for one in again]}


def swept(services: Services, send: Send, milliseconds: int, elsewhere: str) -> int:
    """What the clock is for: attempts that are due again, digests, and whatever a lost message left; how many agents.

    Raises Unavailable when nobody knows which agents there are.
    """
    until = services.clock.now() + timedelta(milliseconds=milliseconds * _BEGINNING)
    agents = [one.name for one in services.agents.all() if one.facts.get(SENT_FROM) == elsewhere]
    return sum(_sent(agent, send, until) for agent in agents)


def _sent(agent: str, send: Send, until: datetime) -> bool:
    try:
        send(agent, until)
    except SlipwayError as error:
        log.warning("the notices of agent %s are not sent: %s", agent, error)
        return False
    except Exception:
        log.exception("the notices of agent %s are not sent", agent)
        return False
    return True
