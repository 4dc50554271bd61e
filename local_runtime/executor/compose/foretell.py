"""What would become of a container's compose file, for a preview: nothing is written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.compose import NotEditable
from chalicelib.domain.operation import Operation
from local_runtime.executor.compose.step import Change, mounts_for, move_of, planned, subject_of
from local_runtime.executor.host import Host


def foretell(host: Host, operation: Operation, source: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """`files`, `paths`, `service`, `mutation`, and a `patch` when the image's line would change.

    Nothing for a container or a trigger that has nothing to do with compose.
    """
    found = subject_of(host, operation, source)
    if found is None:
        return None
    service, options = found
    try:
        change = planned(service, move_of(operation, options), options, mounts_for(host, operation))
    except (NotEditable, OSError) as why:
        told = {"files": list(service.files), "paths": list(service.files), "service": service.name}
        return told | {"mutation": _mutation(False), "problem": str(why)}
    paths = [str(path) for path in change.chain]
    body: dict[str, Any] = {"files": paths, "paths": paths, "service": service.name}
    changes = change.before != change.after
    body["mutation"] = _mutation(changes)
    return body | ({"patch": _patch(change)} if changes else {})


def _mutation(writes: bool) -> dict[str, Any]:
    return {"intent": "update-compose-service-image", "dryRun": False, "willWrite": writes}


def _patch(change: Change) -> dict[str, Any]:
    """The changed line alone: those around it may hold secrets."""
    before, after = (one.decode().splitlines() for one in (change.before, change.after))
    lines = difflib.unified_diff(before, after, str(change.path), str(change.path), n=0, lineterm="")
    return {"path": str(change.path), "format": "unified", "diff": "\n".join(lines)}
