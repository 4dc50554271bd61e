"""The rows of the table that look at containers: logs and stats."""

from __future__ import annotations

from chalicelib.domain.log import MOST_LINES
from chalicelib.domain.log_entry import LEVELS
from handlers import observation, own_log, stats, stats_summary
from handlers.containers import LIST_PATH
from handlers.route import Answer, Query, Route

_TAG = "observation"
_NOT_FOUND = Answer("Error", "No container has this id.")
_YES = {"type": "boolean", "default": True}

LOGS = (
    Query("stdout", _YES, "Whether to include standard output."),
    Query("stderr", _YES, "Whether to include standard error."),
    Query(
        "tail",
        {"type": "integer", "default": 1000, "minimum": 0, "maximum": MOST_LINES},
        "How many lines from the end of the log.",
    ),
    Query("since", {"type": "string", "default": "0"}, "Only lines after this: seconds since 1970, or ISO 8601."),
    Query("timestamps", _YES, "Whether each line begins with its time."),
)

OBSERVATION: tuple[Route, ...] = (
    Route(
        "GET",
        f"{LIST_PATH}/{{id}}/logs",
        observation.download_logs,
        operation_id="downloadContainerLogs",
        summary="Download a container's log",
        description="Of a stopped container as well. A client that accepts gzip gets the file compressed.",
        tag=_TAG,
        responses={
            200: Answer(
                description="The log, oldest line first.",
                media_type="text/plain",
                headers={"Content-Disposition": "The name of the file."},
            ),
            202: Answer("OperationAccepted", "Still being read when the wait was over. Ask again."),
            404: _NOT_FOUND,
            413: Answer("Error", "More than 16 MiB; ask for fewer lines."),
            500: Answer("Error", "The log could not be read, or the agent is not connected."),
        },
        query=LOGS,
        waits=True,
    ),
    Route(
        "GET",
        f"{LIST_PATH}/stats",
        stats.list_stats,
        operation_id="listContainerStats",
        summary="Get what all containers use",
        description="Asking keeps the containers sampled for a while. The first to ask waits for the first sample.",
        tag=_TAG,
        responses={200: "StatsList"},
        waits=True,
    ),
    Route(
        "GET",
        f"{LIST_PATH}/{{id}}/stats",
        stats.get_stats,
        operation_id="getContainerStats",
        summary="Get what a container uses, and used lately",
        description="Asking keeps the container sampled for a while. The first to ask waits for the first sample.",
        tag=_TAG,
        responses={200: "Stats", 404: _NOT_FOUND},
        waits=True,
    ),
    Route(
        "GET",
        f"{LIST_PATH}/{{id}}/stats/stream",
        stats.stream_stats,
        operation_id="streamContainerStats",
        summary="Follow what a container uses",
        description="`dd:container-stats` with the latest sample, then with each new one; `dd:heartbeat` every 15 "
        "seconds. Where the host cannot stream, the answer ends early and the client comes back with `Last-Event-ID`.",
        tag=_TAG,
        responses={200: Answer(description="Server-sent events.", media_type="text/event-stream"), 404: _NOT_FOUND},
    ),
    Route(
        "GET",
        "/api/v1/stats/summary",
        stats_summary.get_summary,
        operation_id="getStatsSummary",
        summary="Get what all containers use together",
        description="Sums over those sampled lately, and the five that use most. Asking keeps all of them sampled for "
        "a while. The first to ask waits for the first sample.",
        tag=_TAG,
        responses={200: "StatsSummary"},
        waits=True,
    ),
    Route(
        "GET",
        "/api/v1/stats/summary/stream",
        stats_summary.stream_summary,
        operation_id="streamStatsSummary",
        summary="Follow what all containers use together",
        description="`dd:stats-summary` at once and whenever something new was sampled; `dd:heartbeat` every 15 "
        "seconds. Where the host cannot stream, the answer ends early and the client comes back.",
        tag=_TAG,
        responses={200: Answer(description="Server-sent events.", media_type="text/event-stream")},
    ),
    Route(
        "GET",
        "/api/v1/log/components",
        own_log.components,
        operation_id="listLogComponents",
        summary="Get who has logged something",
        description="What `component` of the entries may be; of executors with the agent's name before it.",
        tag="system",
        responses={200: "LogComponentList"},
        waits=True,
    ),
    Route(
        "GET",
        "/api/v1/log/entries",
        own_log.entries,
        operation_id="listLogEntries",
        summary="Get the last lines of Slipway's own log",
        description="Of the server and of every connected executor, oldest first.",
        tag="system",
        responses={200: "LogEntryList", 400: Answer("Error", "The level or the component cannot be.")},
        query=(
            Query("level", {"type": "string", "enum": list(LEVELS)}, "Only lines of at least this level."),
            Query("component", {"type": "string"}, "Only lines of this component and its parts."),
            Query("tail", {"type": "integer", "default": 100, "minimum": 0, "maximum": 1000}, "How many lines."),
            Query("since", {"type": "string"}, "Only lines after this: seconds since 1970, or ISO 8601."),
        ),
        waits=True,
    ),
)
