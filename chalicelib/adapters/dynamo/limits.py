"""Rate limits counted in DynamoDB, so that they hold for all instances together; see docs/decisions/0008."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalicelib.adapters.dynamo.models import LimitModel, Tables
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale, Unavailable
from chalicelib.ports.limits import Usage

PARTS = 60
"""An instance keeps back at most this part of a limit: a limit under 120 is counted exactly."""
CAPACITY = 10_000
_KEPT_SECONDS = 3600
_TRIES = 4
LOG = logging.getLogger(__name__)


@dataclass(slots=True)
class _Window:
    """What this instance knows of one window: `total` of the store, and `pending` hits the store does not know."""

    ends: float
    total: int = 0
    pending: int = 0


class DynamoRateLimiter:
    """Fixed windows, one item each; this process remembers at most `capacity` of them, the oldest goes first."""

    def __init__(self, tables: Tables, capacity: int = CAPACITY) -> None:
        self._client = tables.client
        self._table = tables.name(LimitModel)
        self._capacity = capacity
        self._windows: dict[str, _Window] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, window: int, now: datetime, most: int | None = None) -> Usage:
        """Count one more for the key. Raises Unavailable for small limits; large ones go on in this process alone."""
        instant = now.timestamp()
        batch = max(1, (most or 0) // PARTS)
        with self._lock:
            known = self._open(key, window, instant)
            known.pending += 1
            used_up = most is not None and known.total > most
            if used_up or (known.pending < batch and known.total):
                return _usage(known.total + known.pending, known.ends, instant)
            flushed, known.pending = known.pending, 0
            known.total += flushed
        try:
            total, ends = self._add(key, flushed, window, instant)
        except Unavailable as error:
            if batch == 1:
                raise
            LOG.warning("a rate limit is counted in this process only: %s", error)
            return _usage(known.total, known.ends, instant)
        with self._lock:
            if ends == known.ends:
                known.total = max(known.total, total)
            else:
                known.total, known.ends = total, ends
        return _usage(total, ends, instant)

    def _open(self, key: str, window: int, instant: float) -> _Window:
        known = self._windows.get(key)
        if known is None or known.ends <= instant:
            self._windows.pop(key, None)
            while len(self._windows) >= self._capacity:
                del self._windows[next(iter(self._windows))]
            known = self._windows[key] = _Window(instant + window)
        return known

    def _add(self, key: str, hits: int, window: int, instant: float) -> tuple[int, float]:
        """Hits in the stored window with these, and when it ends; one that is over is opened anew."""
        ends = instant + window
        for _ in range(_TRIES):
            for update in (
                {
                    "UpdateExpression": "SET ends_at = if_not_exists(ends_at, :ends), "
                    "expires_at = if_not_exists(expires_at, :gone) ADD hits :hits",
                    "ConditionExpression": "attribute_not_exists(ends_at) OR ends_at > :now",
                },
                {
                    "UpdateExpression": "SET ends_at = :ends, expires_at = :gone, hits = :hits",
                    "ConditionExpression": "ends_at <= :now",
                },
            ):
                try:
                    item = self._update(f"rate:{key}", update, hits, ends, instant)
                except Stale:
                    continue
                return int(item["hits"]["N"]), float(item["ends_at"]["N"])
        raise Unavailable("the rate limit is too busy")

    def _update(self, subject: str, update: dict[str, Any], hits: int, ends: float, instant: float) -> dict[str, Any]:
        values = {":hits": str(hits), ":ends": f"{ends:.3f}", ":now": f"{instant:.3f}"}
        values[":gone"] = str(int(ends) + _KEPT_SECONDS)
        with translated("a rate limit"):
            answer = self._client.update_item(
                TableName=self._table,
                Key={"subject": {"S": subject[:1024]}},
                ExpressionAttributeValues={name: {"N": value} for name, value in values.items()},
                ReturnValues="ALL_NEW",
                **update,
            )
        attributes: dict[str, Any] = answer["Attributes"]
        return attributes


def _usage(count: int, ends: float, instant: float) -> Usage:
    return Usage(count, max(1, round(ends - instant)))
