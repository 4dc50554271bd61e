"""News as server-sent events."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from chalicelib.domain.news import CONNECTED, DISCONNECTED, REMOVED, News
from chalicelib.domain.operation import Operation
from chalicelib.wire import container, operation

Json = dict[str, Any]

PREFIX = "dd:"


def write(news: News, now: datetime) -> Json:
    """The data of an event: a container as the API answers it, an operation, or an agent."""
    if news.name in (CONNECTED, DISCONNECTED):
        return {"agentName": news.agent} | ({} if news.name == CONNECTED else {"reason": "no heartbeat"})
    if news.operation is not None:
        return _operation(news.operation)
    assert news.entry is not None
    body = container.present(news.entry, news.entry.standing(now))
    return body | ({"replacementExpected": news.replaced} if news.name == REMOVED else {})


def _operation(of: Operation) -> Json:
    body = operation.write(of)
    kept = ("containerName", "containerId", "newContainerId", "status", "phase", "lastError", "rollbackReason")
    return {
        "operationId": of.id,
        "identityKey": container.identity_key(of.identity),
        **{name: body[name] for name in kept if name in body},
    }
