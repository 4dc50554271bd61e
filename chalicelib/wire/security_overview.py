"""The findings of all images together, by container name and in pages that count findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.security import ScanReport
from chalicelib.domain.vulnerability import Vulnerability
from chalicelib.wire import security
from chalicelib.wire.page import envelope

Json = dict[str, Any]


@dataclass
class Group:
    """Containers of one display name: their ids, and all that was found in the images they run."""

    image: str
    container_ids: list[str] = field(default_factory=list)
    update_summary: Mapping[str, Any] | None = None
    findings: list[Vulnerability] = field(default_factory=list)
    scanned_at: str = ""


def groups(containers: Sequence[Mapping[str, Any]], reports: Mapping[str, ScanReport]) -> list[Group]:
    """The scanned containers, grouped; those of one name and one image count its findings once each."""
    found: dict[str, Group] = {}
    for body in containers:
        known = body["security"]
        name = body.get("displayName") or body.get("name") or "unknown"
        group = found.setdefault(name, Group(name))
        group.container_ids.append(body["id"])
        group.scanned_at = max(group.scanned_at, known["scan"]["scannedAt"])
        if "updateScan" in known:
            group.update_summary = known["updateScan"]["summary"]
        report = reports.get(security.subject_of_scan(body, known["scan"]))
        if report is not None:
            group.findings += report.findings
    return list(found.values())


def write(
    found: Sequence[Group],
    *,
    total_containers: int,
    limit: int,
    offset: int,
    path: str,
    query: Mapping[str, Sequence[str]],
) -> Json:
    """The body; a page shows only groups that have findings on it."""
    total = sum(len(group.findings) for group in found)
    images, shown, at = [], 0, 0
    end = offset + limit if limit else None
    for group in found:
        first, last = max(0, offset - at), len(group.findings) if end is None else max(0, end - at)
        rows = group.findings[first:last]
        at += len(group.findings)
        shown += len(rows)
        if rows or (not limit and not offset):
            images.append(_image(group, rows))
    page = envelope([None] * shown, total=total, limit=limit, offset=offset, path=path, query=query)
    del page["data"]
    return {
        "totalContainers": total_containers,
        "scannedContainers": sum(len(group.container_ids) for group in found),
        # The contract has this member also before the first scan.
        "latestScannedAt": max((group.scanned_at for group in found), default=None),
        "images": images,
        **page,
    }


def _image(group: Group, rows: Sequence[Vulnerability]) -> Json:
    body: Json = {"image": group.image, "containerIds": group.container_ids}
    if group.update_summary is not None:
        body["updateSummary"] = group.update_summary
    return body | {"vulnerabilities": [security.overview_row(one) for one in rows]}
