"""Answers of registries in DynamoDB, so that what one agent has asked no other asks again for a while."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime
from typing import Any

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import CacheModel, Tables
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale, Unavailable
from chalicelib.ports.clock import Clock
from chalicelib.ports.registry import Answer

_KIND = "registry"
_KEPT_SECONDS = 3600
LOG = logging.getLogger(__name__)


class DynamoRegistryCache:
    """A RegistryCache: one item per question. A store in trouble costs requests, never a result."""

    def __init__(self, tables: Tables, clock: Clock) -> None:
        self._client = tables.client
        self._table = tables.name(CacheModel)
        self._clock = clock

    def get(self, key: str) -> Answer | None:
        """The answer kept under this key, unless its time is over."""
        try:
            with translated("a registry's answer"):
                item = self._client.get_item(TableName=self._table, Key=_key(key)).get("Item")
        except Unavailable as error:
            LOG.warning("%s", error)
            return None
        if item is None or "value" not in item or float(item["expires_at"]["N"]) <= self._clock.now().timestamp():
            return None
        body = blob.unpack(item["value"]["B"])
        return Answer(body["text"], body.get("etag"), datetime.fromtimestamp(float(item["stored_at"]["N"]), UTC))

    def put(self, key: str, answer: Answer, keep_seconds: int) -> None:
        """Keep an answer for that long; who waits for it need not wait any more."""
        value = blob.pack({"text": answer.text, "etag": answer.etag})
        item = {
            **_key(key),
            "value": {"B": value},
            "stored_at": {"N": _number(answer.stored_at)},
            "expires_at": {"N": str(int(answer.stored_at.timestamp()) + keep_seconds)},
        }
        try:
            with translated("a registry's answer"):
                self._client.put_item(TableName=self._table, Item=item)
        except Unavailable as error:
            LOG.warning("%s", error)

    def reserve(self, key: str, seen: Answer | None, seconds: float) -> bool:
        """Whether the question is ours to ask: nobody else is at it, and no answer came since the one we saw."""
        now = self._clock.now().timestamp()
        values = {":until": f"{now + seconds:.3f}", ":now": f"{now:.3f}", ":gone": str(int(now) + _KEPT_SECONDS)}
        condition = "(attribute_not_exists(asking_until) OR asking_until <= :now)"
        if seen is None:
            # An answer that is past its time may lie here until DynamoDB clears it away.
            condition += " AND (attribute_not_exists(stored_at) OR expires_at <= :now)"
        else:
            condition += " AND stored_at = :seen"
            values[":seen"] = _number(seen.stored_at)
        return self._update(
            key,
            {
                "UpdateExpression": "SET asking_until = :until, expires_at = if_not_exists(expires_at, :gone)",
                "ConditionExpression": condition,
            },
            values,
        )

    def release(self, key: str) -> None:
        """We ask no more, and have no answer: let another try."""
        self._update(key, {"UpdateExpression": "REMOVE asking_until"}, {})

    def _update(self, key: str, update: dict[str, Any], values: dict[str, str]) -> bool:
        given = {"ExpressionAttributeValues": {name: {"N": value} for name, value in values.items()}} if values else {}
        try:
            with translated("a registry's answer"):
                self._client.update_item(TableName=self._table, Key=_key(key), **update, **given)
        except Stale:
            return False
        except Unavailable as error:
            LOG.warning("%s", error)
        return True


def _key(key: str) -> dict[str, Any]:
    # A repository's name may be longer than a key of DynamoDB.
    return {"kind": {"S": _KIND}, "key": {"S": hashlib.sha256(key.encode()).hexdigest()}}


def _number(moment: datetime) -> str:
    return f"{moment.timestamp():.6f}"
