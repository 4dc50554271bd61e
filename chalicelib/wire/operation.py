"""Operations: as the API shows them and as the ledger keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.container import Identity
from chalicelib.domain.operation import RECREATION, ROLLBACK, UPDATE, Operation, Phase
from chalicelib.wire import moment

Json = dict[str, Any]

_PLAIN = {
    "id": "id",
    "kind": "kind",
    "containerId": "container_id",
    "triggerName": "trigger",
    "fromVersion": "from_version",
    "toVersion": "to_version",
    "targetImage": "target_image",
    "tempName": "temp_name",
    "oldContainerWasRunning": "was_running",
    "oldContainerStopped": "old_stopped",
    "newContainerId": "new_container_id",
    "newImageId": "new_image_id",
    "oldRestartPolicy": "old_restart",
    "committed": "committed",
    "boundDigest": "bound_digest",
    "candidateDigest": "candidate_digest",
    "policyMark": "policy_mark",
    "backupId": "backup_id",
    "wantedDigest": "wanted_digest",
    "wantedImageId": "wanted_image_id",
    "automatic": "automatic",
    "reasonCode": "reason_code",
    "lastError": "last_error",
}
_SORTS = {UPDATE: "update", ROLLBACK: "rollback", RECREATION: "recreate"}
_SHOWN_ALWAYS = (
    "containerId",
    "triggerName",
    "fromVersion",
    "toVersion",
    "targetImage",
    "newContainerId",
    "backupId",
)


def write(operation: Operation) -> Json:
    """One entry of the update history, in the contract's words."""
    body: Json = {
        "id": operation.id,
        **_kind(operation),
        "containerName": operation.identity.name,
        "status": operation.status,
        "phase": operation.shown_phase,
        "createdAt": moment.write(operation.created_at),
        "updatedAt": moment.write(operation.updated_at),
        **{name: getattr(operation, _PLAIN[name]) for name in _SHOWN_ALWAYS},
        "completedAt": moment.write_optional(operation.ended_at),
        "recoveredAt": moment.write_optional(operation.recovered_at),
        "cancelRequested": operation.cancel_requested or None,
    }
    if operation.status == "rolled-back":
        body["rollbackReason"] = operation.rollback_reason
        body["rollbackReasonCode"] = operation.reason_code
    if operation.status == "failed":
        body["lastError"] = operation.last_error
    return {name: value for name, value in body.items() if value is not None}


def write_active(operation: Operation) -> Json:
    """The short form a container carries while it is being changed."""
    body = {
        "id": operation.id,
        **_kind(operation),
        "status": operation.status,
        "phase": operation.shown_phase,
        "updatedAt": moment.write(operation.updated_at),
        "fromVersion": operation.from_version,
        "toVersion": operation.to_version,
        "targetImage": operation.target_image,
    }
    return {name: value for name, value in body.items() if value is not None}


def _kind(operation: Operation) -> Json:
    """The reference knows no kinds but updates of containers and of itself; which sort it is stands beside that."""
    if operation.kind in _SORTS:
        return {"kind": UPDATE, "action": _SORTS[operation.kind]}
    return {"kind": operation.kind}


def store(operation: Operation) -> Json:
    """Every fact, for the ledger."""
    body: Json = {name: getattr(operation, field) for name, field in _PLAIN.items()}
    body |= {
        "phase": operation.phase.value,
        "reached": operation.reached.value,
        "createdAt": operation.created_at.isoformat(),
        "updatedAt": operation.updated_at.isoformat(),
        "endedAt": operation.ended_at.isoformat() if operation.ended_at else None,
        "recoveredAt": operation.recovered_at.isoformat() if operation.recovered_at else None,
        "dependents": list(operation.dependents) or None,
    }
    return {name: value for name, value in body.items() if value is not None}


def load(identity: Identity, body: Mapping[str, Any], revision: int) -> Operation:
    """The operation a ledger of that revision keeps."""
    return Operation(
        identity=identity,
        **{field: body[name] for name, field in _PLAIN.items() if name in body},
        phase=Phase(body["phase"]),
        reached=Phase(body["reached"]),
        created_at=moment.read(body["createdAt"]),
        updated_at=moment.read(body["updatedAt"]),
        ended_at=moment.read_optional(body.get("endedAt")),
        recovered_at=moment.read_optional(body.get("recoveredAt")),
        dependents=tuple(body.get("dependents", ())),
        revision=revision,
    )
