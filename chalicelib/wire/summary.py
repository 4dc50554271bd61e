"""The body of the summary: counts for a side bar."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.summary import Summary


def write(summary: Summary) -> dict[str, Any]:
    """Counts of containers, findings and updates by age."""
    return {
        "containers": {
            "total": summary.total,
            "running": summary.running,
            "stopped": summary.stopped,
            "updatesAvailable": summary.updates_available,
        },
        "security": {"issues": summary.security_issues},
        "hotUpdates": summary.hot,
        "matureUpdates": summary.mature,
    }
