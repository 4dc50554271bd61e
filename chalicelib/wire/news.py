"""News as server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from chalicelib.domain.news import (
    AGENT_STATS,
    CONNECTED,
    DISCONNECTED,
    REMOVED,
    SCAN_COMPLETED,
    SCAN_STARTED,
    SELF_UPDATE,
    WATCH_PROGRESS,
    News,
)
from chalicelib.domain.operation import Operation
from chalicelib.wire import container, moment, operation

Json = dict[str, Any]

PREFIX = "dd:"

_OF_AGENTS: Mapping[str, Callable[[Mapping[str, Any]], Json]] = {
    CONNECTED: lambda _: {},
    DISCONNECTED: lambda _: {"reason": "no heartbeat"},
    WATCH_PROGRESS: lambda facts: dict(facts),
    AGENT_STATS: lambda facts: {
        "containers": {name: facts[name] for name in ("total", "running", "stopped")},
        "images": facts["images"],
    },
}


def write(news: News, now: datetime) -> Json:
    """The data of an event: a container as the API answers it, an operation, or what an agent tells."""
    if news.name in _OF_AGENTS:
        return {"agentName": news.agent, **_OF_AGENTS[news.name](news.facts)}
    if news.name in (SCAN_STARTED, SCAN_COMPLETED):
        shown = ("containerId",) if news.name == SCAN_STARTED else ("containerId", "status")
        return {name: news.facts[name] for name in shown}
    if news.name == SELF_UPDATE:
        assert news.operation is not None
        return _self_update(news.operation)
    if news.operation is not None:
        return _operation(news.operation)
    assert news.entry is not None
    body = container.present(news.entry, news.entry.standing(now))
    return body | ({"replacementExpected": news.replaced} if news.name == REMOVED else {})


def _self_update(of: Operation) -> Json:
    """Nobody has to agree: the server is another process than the executor, and stays while that is replaced."""
    began = moment.write(of.created_at)
    return {"opId": of.id, "requiresAck": False, "ackTimeoutMs": 0, "startedAt": began}


def _operation(of: Operation) -> Json:
    body = operation.write(of)
    kept = ("containerName", "containerId", "newContainerId", "status", "phase", "lastError", "rollbackReason")
    return {
        "operationId": of.id,
        "identityKey": container.identity_key(of.identity),
        **{name: body[name] for name in kept if name in body},
    }
