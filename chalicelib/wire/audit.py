"""Audit rows, as the API shows them and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.wire import moment
from chalicelib.wire.container import identity_key


def write(entry: AuditEntry) -> dict[str, Any]:
    """One row of the audit log."""
    body = {
        "id": entry.id,
        "timestamp": moment.write(entry.at),
        "action": entry.action,
        "containerName": entry.identity.name,
        "containerIdentityKey": identity_key(entry.identity),
        "containerImage": entry.image,
        "fromVersion": entry.from_version,
        "toVersion": entry.to_version,
        "triggerName": entry.trigger,
        "status": entry.status,
        "details": entry.details,
    }
    return {name: value for name, value in body.items() if value is not None}


def read(agent: str, body: Mapping[str, Any]) -> AuditEntry:
    """The entry a stored row spells."""
    watcher, name = body["containerIdentityKey"].split("::", 2)[1:]
    return AuditEntry(
        id=body["id"],
        at=moment.read(body["timestamp"]),
        action=body["action"],
        status=body["status"],
        identity=Identity(agent, watcher, name),
        image=body.get("containerImage"),
        from_version=body.get("fromVersion"),
        to_version=body.get("toVersion"),
        trigger=body.get("triggerName"),
        details=body.get("details"),
    )
