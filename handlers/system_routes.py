"""The rows about this server: health, its own description, what it is made of."""

from __future__ import annotations

from handlers import events, metrics, system
from handlers.route import Answer, Query, Route

_EVENTS = """`dd:connected` comes first, `dd:heartbeat` every 15 seconds. Then `dd:container-added`, `-updated` and
`-removed` carry a container, and so does `dd:container-unhealthy`; `dd:update-operation-changed`, `dd:update-applied`
and `dd:update-failed` an operation; `dd:agent-connected`, `-disconnected` and `dd:agent-stats-changed` an agent.
`dd:scan-started` and `dd:scan-completed` name the container that is scanned, `dd:watch-progress` says how far a
watcher's cycle is, `dd:self-update` that Slipway itself is being updated. A client that comes back with the id of the
last event it saw gets what it missed in the last 5 minutes, or `dd:resync-required`. On Lambda a stream lasts 3
seconds."""

SYSTEM: tuple[Route, ...] = (
    Route(
        "GET",
        "/",
        system.home,
        operation_id="getHome",
        summary="Go to the page that tells what is here",
        tag="system",
        responses={302: Answer(description="On to the page.", headers={"Location": "Where it is."})},
        public=True,
    ),
    Route(
        "GET",
        "/health",
        system.health,
        operation_id="getHealth",
        summary="Tell whether the server is up",
        tag="system",
        responses={200: "Health"},
        public=True,
    ),
    Route(
        "GET",
        "/api/v1/openapi.json",
        system.openapi,
        operation_id="getOpenApi",
        summary="Get this document",
        tag="system",
        responses={200: "OpenApi"},
        public=True,
    ),
    Route(
        "GET",
        "/api/v1/docs",
        system.docs,
        operation_id="getDocs",
        summary="Read this document as a page",
        tag="system",
        responses={200: Answer(description="A page.", media_type="text/html")},
        public=True,
    ),
    Route(
        "GET",
        "/api/v1/app",
        system.app,
        operation_id="getApp",
        summary="Get name and version",
        tag="system",
        responses={200: "App"},
    ),
    Route(
        "GET",
        "/api/v1/server",
        system.server,
        operation_id="getServer",
        summary="Get how the server is set up",
        tag="system",
        responses={200: "Server"},
    ),
    Route(
        "GET",
        "/api/v1/store",
        system.store,
        operation_id="getStore",
        summary="Tell where things are kept",
        tag="system",
        responses={200: "Store"},
    ),
    Route(
        "GET",
        "/api/v1/log",
        system.log,
        operation_id="getLog",
        summary="Tell how much is logged",
        tag="system",
        responses={200: "LogLevel"},
    ),
    Route(
        "GET",
        "/metrics",
        metrics.metrics,
        operation_id="getMetrics",
        summary="Get metrics for Prometheus",
        description="Asks for the token of `DD_SERVER_METRICS_TOKEN` where that is set, for nothing where "
        "`DD_SERVER_METRICS_AUTH=false`, and else for a log-in like any other path.",
        tag="system",
        responses={
            200: Answer(description="Prometheus' text format.", media_type="text/plain"),
            400: Answer("Error", "The Authorization header cannot be read."),
            401: Answer("Error", "Nobody we know is asking."),
            403: Answer("Error", "The caller's token does not allow it."),
            423: Answer("Error", "Too many wrong passwords: locked for a while."),
        },
        public=True,
    ),
    Route(
        "GET",
        "/api/v1/events/ui",
        events.stream,
        operation_id="streamEvents",
        summary="Follow what happens, as server-sent events",
        description=_EVENTS,
        tag="events",
        responses={
            200: Answer(description="Server-sent events.", media_type="text/event-stream"),
            429: Answer("Error", "More than 10 streams of a client, or 500 in all."),
        },
        query=(Query("last-event-id", {"type": "string"}, "For clients that cannot send the header `Last-Event-ID`."),),
    ),
    Route(
        "POST",
        "/api/v1/events/ui/self-update/{operationId}/ack",
        events.acknowledge,
        operation_id="acknowledgeSelfUpdate",
        summary="Say that the news of a self-update has arrived",
        description="With the id and the token of `dd:connected`. Nothing waits for it.",
        tag="events",
        responses={202: "SelfUpdateAcknowledged", 403: "SelfUpdateRejected"},
        body="SelfUpdateAcknowledgement",
        scope="read",
    ),
)
