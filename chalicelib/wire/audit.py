"""Audit rows, as the API shows them and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.audit import SERVER, AuditEntry
from chalicelib.domain.container import Identity
from chalicelib.wire import moment
from chalicelib.wire.container import identity_key


def write(entry: AuditEntry) -> dict[str, Any]:
    """One row of the audit log; a row that is about no container has no identity to show."""
    body = store(entry)
    if entry.identity.agent == SERVER:
        del body["containerIdentityKey"]
    return body


def write_statuses(statuses: Mapping[Identity, str]) -> dict[str, Any]:
    """One word per name, and per identity where names are not enough; of one name the newest word counts."""
    by_name: dict[str, str] = {}
    for identity, word in statuses.items():
        by_name.setdefault(identity.name.strip(), word)
    return {
        "statuses": by_name,
        "statusesByIdentity": {identity_key(identity): word for identity, word in statuses.items()},
    }


def store(entry: AuditEntry) -> dict[str, Any]:
    """What the store keeps of a row."""
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
        "code": entry.code,
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
        code=body.get("code"),
    )
