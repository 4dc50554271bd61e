"""Filling containers with the findings of their scans, which are kept apart from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chalicelib.ports.services import Services
from chalicelib.wire import security as wire


def with_findings(bodies: Sequence[dict[str, Any]], services: Services) -> None:
    """Put the findings into these containers' scans; each image's are read once."""
    scans = [
        (body, name, wire.subject_of_scan(body, body["security"][name]))
        for body in bodies
        for name in wire.SCANS
        if name in body.get("security", {})
    ]
    if not scans:
        return
    reports = services.reports.scans({subject for _, _, subject in scans})
    findings = {subject: [wire.finding(one) for one in report.findings] for subject, report in reports.items()}
    for body, name, subject in scans:
        # The stored document is shared by all requests: what is changed here must be a copy.
        scan = body["security"][name] | {"vulnerabilities": findings.get(subject, [])}
        body["security"] = body["security"] | {name: scan}
