"""What would become of a container's compose file, for a preview: nothing is written."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.compose import NotEditable
from chalicelib.domain.operation import Operation
from local_runtime.executor.compose.step import Change, mounts_for, move_of, planned, subject_of
from local_runtime.executor.host import Host

_ONLY_AN_IMAGE = re.compile(r"""\s*["']?image["']?\s*:""")


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
    """The changed line alone, and of one that says more than an image only that: whatever is around may be secret."""
    before, after = (one.decode().splitlines() for one in (change.before, change.after))
    lines = list(difflib.unified_diff(before, after, str(change.path), str(change.path), n=0, lineterm=""))
    head, lines = lines[:3], lines[3:]
    images = {"-": change.old, "+": change.new}
    shown = [one if _ONLY_AN_IMAGE.match(one[1:]) else f"{one[0]}… {images[one[0]]} …" for one in lines]
    return {"path": str(change.path), "format": "unified", "diff": "\n".join([*head, *shown])}
