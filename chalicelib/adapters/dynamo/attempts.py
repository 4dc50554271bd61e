"""Failed log-ins in DynamoDB, so that a guesser cannot go from one instance to the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.adapters.dynamo.models import LimitModel, Tables
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale, Unavailable
from chalicelib.domain.lockout import LockoutRule

REMEMBERED = 10_000
_KEPT_SECONDS = 3600
_TRIES = 4


class DynamoAttempts:
    """One item per subject; what was read lately is remembered, at most 10 000 subjects."""

    def __init__(self, tables: Tables) -> None:
        self._client = tables.client
        self._table = tables.name(LimitModel)
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, float, bool]] = {}
        """By subject: when it was read, until when it was locked then, and whether it had failed."""

    def locked_until(self, subjects: Sequence[str], now: datetime, max_age: float = 0.0) -> datetime | None:
        """Until when one of these is locked, if any is; an open one may have been read `max_age` seconds ago."""
        instant = now.timestamp()
        with self._lock:
            known = {subject: self._read[subject] for subject in subjects if subject in self._read}
        unknown = [
            subject for subject in subjects if subject not in known or not _fresh(known[subject], instant, max_age)
        ]
        if unknown:
            known |= self._fetch(unknown, instant)
        until = max(locked for _, locked, _ in known.values())
        return datetime.fromtimestamp(until, UTC) if until > instant else None

    def fail(self, subject: str, rule: LockoutRule, now: datetime) -> datetime | None:
        """Count one more failure; until when that locks the subject, if it does."""
        instant = now.timestamp()
        failures = self._count(subject, rule.window.total_seconds(), instant)
        until = 0.0
        if failures >= rule.most:
            until = instant + rule.duration.total_seconds()
            self._update(subject, "SET locked_until = :until, ends_at = :until, expires_at = :gone", None, until=until)
        self._remember(subject, (instant, until, True))
        return datetime.fromtimestamp(until, UTC) if until else None

    def clear(self, subject: str) -> None:
        """Forget the failures of a subject; no write where none were seen."""
        with self._lock:
            seen = self._read.get(subject)
        if seen is not None and not seen[2]:
            return
        with translated("failed log-ins"):
            self._client.delete_item(TableName=self._table, Key=_key(subject))
        with self._lock:
            self._read.pop(subject, None)

    def _fetch(self, subjects: Sequence[str], instant: float) -> dict[str, tuple[float, float, bool]]:
        request = {"Keys": [_key(subject) for subject in subjects], "ConsistentRead": True}
        with translated("failed log-ins"):
            answer = self._client.batch_get_item(RequestItems={self._table: request})
        if answer.get("UnprocessedKeys"):
            raise Unavailable("the store is too busy to check failed log-ins")
        found = dict.fromkeys(subjects, (instant, 0.0, False))
        for item in answer["Responses"].get(self._table, ()):
            until = float(item.get("locked_until", {"N": "0"})["N"])
            found[item["subject"]["S"].removeprefix("failed:")] = (instant, until, True)
        for subject, state in found.items():
            self._remember(subject, state)
        return found

    def _remember(self, subject: str, state: tuple[float, float, bool]) -> None:
        with self._lock:
            self._read.pop(subject, None)
            while len(self._read) >= REMEMBERED:
                del self._read[next(iter(self._read))]
            self._read[subject] = state

    def _count(self, subject: str, window: float, instant: float) -> int:
        """Failures with this one; those whose window is over, or that have led to a lock, start anew."""
        again = "SET ends_at = :until, expires_at = :gone ADD hits :one"
        anew = "SET ends_at = :until, expires_at = :gone, hits = :one REMOVE locked_until"
        for _ in range(_TRIES):
            for update, condition in (
                (again, "attribute_not_exists(ends_at) OR ends_at > :now"),
                (anew, "ends_at <= :now"),
            ):
                try:
                    item = self._update(subject, update, condition, until=instant + window, one=1, now=instant)
                except Stale:
                    continue
                return int(float(item["hits"]["N"]))
        raise Unavailable("the count of failed log-ins is too busy")

    def _update(self, subject: str, update: str, condition: str | None, **values: float) -> dict[str, Any]:
        numbers = {f":{name}": {"N": f"{value:.3f}"} for name, value in values.items()}
        numbers[":gone"] = {"N": str(int(values["until"]) + _KEPT_SECONDS)}
        with translated("failed log-ins"):
            answer = self._client.update_item(
                TableName=self._table,
                Key=_key(subject),
                UpdateExpression=update,
                **({"ConditionExpression": condition} if condition else {}),
                ExpressionAttributeValues=numbers,
                ReturnValues="ALL_NEW",
            )
        attributes: dict[str, Any] = answer["Attributes"]
        return attributes


def _fresh(state: tuple[float, float, bool], instant: float, max_age: float) -> bool:
    read_at, locked, _ = state
    return locked > instant or (max_age > 0 and instant - read_at < max_age)


def _key(subject: str) -> dict[str, dict[str, str]]:
    return {"subject": {"S": f"failed:{subject}"}}
