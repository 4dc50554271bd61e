"""Audit rows in DynamoDB: one partition per agent, ordered by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import AuditModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.audit import RETENTION, AuditEntry
from chalicelib.wire import audit as wire
from chalicelib.wire import moment


class DynamoAudit:
    """Rows that expire after thirty days."""

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append rows, up to twenty-five in one call."""
        with translated("the audit log"):
            if len(entries) == 1:
                _item(entries[0]).save()
            elif entries:
                with AuditModel.batch_write() as batch:
                    for entry in entries:
                        batch.save(_item(entry))

    def newest(self, agents: Sequence[str], limit: int) -> list[AuditEntry]:
        """The newest rows of these agents together, newest first."""
        with translated("the audit log"):
            found: list[Iterable[AuditEntry]] = [
                [_read(agent, item) for item in AuditModel.query(agent, scan_index_forward=False, limit=limit)]
                for agent in agents
            ]
        return list(_merged(found))[:limit]

    def between(self, agents: Sequence[str], since: datetime, until: datetime) -> list[AuditEntry]:
        """Every row of these agents from then to then, both included, newest first."""
        # `~` sorts behind every id, so that the last millisecond is included.
        period = AuditModel.key.between(moment.write(since), f"{moment.write(until)}~")
        with translated("the audit log"):
            found: list[Iterable[AuditEntry]] = [
                [_read(agent, item) for item in AuditModel.query(agent, period, scan_index_forward=False)]
                for agent in agents
            ]
        return list(_merged(found))


def _merged(found: list[Iterable[AuditEntry]]) -> Iterator[AuditEntry]:
    return heapq.merge(*found, key=lambda entry: (entry.at, entry.id), reverse=True)


def _read(agent: str, item: AuditModel) -> AuditEntry:
    return wire.read(agent, blob.unpack(item.entry))


def _item(entry: AuditEntry) -> AuditModel:
    return AuditModel(
        entry.identity.agent,
        f"{moment.write(entry.at)}#{entry.id}",
        entry=blob.pack(wire.store(entry)),
        expires_at=int((entry.at + RETENTION).timestamp()),
    )
