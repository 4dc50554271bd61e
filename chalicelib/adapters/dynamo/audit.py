"""Audit rows in DynamoDB: one partition per agent, ordered by time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

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
                [
                    wire.read(agent, blob.unpack(item.entry))
                    for item in AuditModel.query(agent, scan_index_forward=False, limit=limit)
                ]
                for agent in agents
            ]
        merged = heapq.merge(*found, key=lambda entry: entry.at, reverse=True)
        return list(merged)[:limit]


def _item(entry: AuditEntry) -> AuditModel:
    return AuditModel(
        entry.identity.agent,
        f"{moment.write(entry.at)}#{entry.id}",
        entry=blob.pack(wire.write(entry)),
        expires_at=int((entry.at + RETENTION).timestamp()),
    )
