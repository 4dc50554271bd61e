"""The rows that tell about containers what is not in the container itself: groups, histories, triggers, notes."""

from __future__ import annotations

from chalicelib.domain import query as words
from chalicelib.wire.query import AUDIT_LIMIT
from handlers import audit, backups, containers, groups, release_notes, triggers
from handlers.route import Answer, Query, Route

BASE = containers.LIST_PATH
_TAG = "containers"
_NOT_FOUND = Answer("Error", "No container has this id.")
_PLAIN = {"type": "string", "pattern": "^[A-Za-z0-9._-]*$"}
_PLAIN_LIST = {"type": "string", "pattern": "^[A-Za-z0-9._,-]*$"}

READING: tuple[Route, ...] = (
    Route(
        "GET",
        f"{BASE}/recent-status",
        audit.recent_status,
        operation_id="getRecentStatus",
        summary="Get how the latest update of each container went",
        description="From the last 100 rows of the audit log.",
        tag=_TAG,
        responses={200: "RecentStatus"},
    ),
    Route(
        "GET",
        f"{BASE}/groups",
        groups.list_groups,
        operation_id="listContainerGroups",
        summary="Get containers by group",
        description="By the label `dd.group`, else the compose project, else the stack.",
        tag=_TAG,
        responses={200: "ContainerGroupList"},
    ),
    Route(
        "GET",
        f"{BASE}/backups",
        backups.list_backups,
        operation_id="listBackups",
        summary="Get all backups, newest first",
        tag=_TAG,
        responses={200: "BackupList"},
        query=(Query("containerName", {"type": "string"}, "Only backups of containers with exactly this name."),),
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/backups",
        backups.list_container_backups,
        operation_id="listContainerBackups",
        summary="Get the backups of a container, newest first",
        tag=_TAG,
        responses={200: "BackupList", 404: _NOT_FOUND},
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/triggers",
        triggers.list_container_triggers,
        operation_id="listContainerTriggers",
        summary="Get the triggers that serve a container",
        tag=_TAG,
        responses={200: "TriggerList", 404: _NOT_FOUND},
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/release-notes",
        release_notes.get_release_notes,
        operation_id="getReleaseNotes",
        summary="Get the release notes of a container's newer version",
        description="From GitHub, GitLab, Gitea or Forgejo.",
        tag=_TAG,
        responses={200: "ReleaseNotes", 404: Answer("Error", "No container has this id, or there are no notes.")},
    ),
    Route(
        "GET",
        audit.AUDIT_PATH,
        audit.list_audit,
        operation_id="listAudit",
        summary="Get the audit log, newest first",
        description="What was done in the last thirty days.",
        tag="audit",
        responses={200: "AuditList", 400: Answer("Error", "A name has other characters than names have.")},
        query=(
            Query(
                "limit",
                {"type": "integer", "default": AUDIT_LIMIT, "minimum": 1, "maximum": words.MAX_LIMIT},
                "How many to return; a number out of bounds counts as the bound.",
            ),
            Query("offset", {"type": "integer", "default": 0, "minimum": 0}, "How many matching ones to skip."),
            Query("action", _PLAIN_LIST, "Only rows of this action."),
            Query("actions", _PLAIN_LIST, "Only rows of these actions, commas between them."),
            Query("container", _PLAIN, "Only rows about containers with exactly this name."),
            Query("from", {"type": "string"}, "Only rows since then (ISO 8601); what is no date matches nothing."),
            Query("to", {"type": "string"}, "Only rows until then (ISO 8601); what is no date matches nothing."),
        ),
    ),
)
