"""Backups, as the API shows them and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.backup import Backup
from chalicelib.domain.container import Identity
from chalicelib.wire import moment


def write(backup: Backup) -> dict[str, Any]:
    """One remembered image."""
    body = {
        "id": backup.id,
        "containerId": backup.container_id,
        "containerName": backup.identity.name,
        "imageName": backup.image_name,
        "imageTag": backup.image_tag,
        "imageDigest": backup.image_digest,
        "timestamp": moment.write(backup.at),
        "triggerName": backup.trigger,
    }
    return {name: value for name, value in body.items() if value is not None}


def store(backup: Backup) -> dict[str, Any]:
    """What the store keeps: the same and the local image id."""
    return write(backup) | {"imageId": backup.image_id}


def load(identity: Identity, body: Mapping[str, Any]) -> Backup:
    """The backup a stored object spells."""
    return Backup(
        id=body["id"],
        identity=identity,
        container_id=body["containerId"],
        image_name=body["imageName"],
        image_tag=body["imageTag"],
        image_digest=body.get("imageDigest"),
        image_id=body.get("imageId"),
        at=moment.read(body["timestamp"]),
        trigger=body["triggerName"],
    )
