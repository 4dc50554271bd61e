"""The rows about containers: lists, watching, updating, starting and stopping; and all that other files add."""

from __future__ import annotations

from chalicelib.domain import query as words
from handlers import backups, containers, lifecycle, previews, updates, watching
from handlers.guards import Confirm, Feature
from handlers.policy_routes import POLICY
from handlers.reading_routes import READING
from handlers.route import Answer, Handler, Query, Route

BASE = containers.LIST_PATH
_TAG = "containers"
_ACTIONS = Feature("containeractions")

PAGING = (
    Query(
        "limit",
        {"type": "integer", "default": 0, "minimum": 0, "maximum": words.MAX_LIMIT},
        "How many to return; 0 means all. A larger number counts as 200, what is no number as 0.",
    ),
    Query("offset", {"type": "integer", "default": 0, "minimum": 0}, "How many matching ones to skip."),
)
LISTING = (
    *PAGING,
    Query(
        "includeVulnerabilities",
        {"type": "boolean", "default": False},
        "Include the full vulnerability arrays of scans.",
    ),
    Query("sort", {"type": "string", "enum": list(words.SORTS)}, "What to sort by; a dash reverses the order."),
    Query("order", {"type": "string", "enum": list(words.ORDERS)}, "Overrides the dash of `sort`."),
    Query("status", {"type": "string", "enum": list(words.STATUSES)}, "Only containers in this state."),
    Query("kind", {"type": "string", "enum": list(words.KINDS)}, "Only containers with this kind of update."),
    Query("watcher", {"type": "string", "minLength": 1}, "Only containers of this watcher."),
    Query("maturity", {"type": "string", "enum": list(words.MATURITIES)}, "Only updates that are this settled."),
)
_ACCEPTED = Answer(
    "OperationAccepted",
    "Still at work when the wait was over, or at once with `Prefer: respond-async`.",
    headers={"Location": "Where it can be followed."},
)
_NOT_FOUND = Answer("Error", "No container has this id.")
_FAILED = Answer("Error", "It was tried and failed, or the agent is not connected.")


def _action(verb: str, handler: Handler) -> Route:
    return Route(
        "POST",
        f"{BASE}/{{id}}/{verb}",
        handler,
        operation_id=f"{verb}Container",
        summary=f"{verb.capitalize()} a container",
        description="Already being in that state is no error.",
        tag=_TAG,
        responses={200: "ActionResult", 202: _ACCEPTED, 404: _NOT_FOUND, 500: _FAILED},
        guards=(_ACTIONS,),
        waits=True,
    )


_OWN: tuple[Route, ...] = (
    Route(
        "GET",
        BASE,
        containers.list_containers,
        operation_id="listContainers",
        summary="Get all containers",
        tag=_TAG,
        responses={200: "ContainerList", 400: Answer("Error", "A word is not in its list.")},
        query=LISTING,
    ),
    Route(
        "GET",
        f"{BASE}/summary",
        containers.summary,
        operation_id="getContainerSummary",
        summary="Get counts of containers, findings and updates",
        tag=_TAG,
        responses={200: "ContainerSummary"},
    ),
    Route(
        "POST",
        f"{BASE}/watch",
        watching.watch_all,
        operation_id="watchContainers",
        summary="Check all containers, or some, for newer images",
        tag=_TAG,
        responses={
            200: "ContainerList",
            202: _ACCEPTED,
            400: Answer("Error", "The body or a parameter is wrong."),
            404: Answer("Error", "One of the ids is unknown; nothing was checked."),
            500: _FAILED,
        },
        body="WatchRequest",
        query=LISTING,
        scope="watch",
        waits=True,
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}",
        containers.get_container,
        operation_id="getContainer",
        summary="Get a container by id",
        tag=_TAG,
        responses={200: "Container", 404: _NOT_FOUND},
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/watch",
        watching.watch_container,
        operation_id="watchContainer",
        summary="Check a container for a newer image",
        tag=_TAG,
        responses={200: "Container", 202: _ACCEPTED, 404: _NOT_FOUND, 500: _FAILED},
        scope="watch",
        waits=True,
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/update",
        updates.update_container,
        operation_id="updateContainer",
        summary="Move a container to its newer image",
        description="Pulls the image, recreates the container on it, and puts the old one back when it does not live.",
        tag=_TAG,
        responses={
            200: "Container",
            202: _ACCEPTED,
            400: Answer("Error", "No update is available."),
            404: Answer("Error", "No container has this id, or no docker trigger is configured for it."),
            409: Answer("Error", "An operation on the container is already in progress."),
            500: Answer("Error", "The update failed; the old container runs again."),
        },
        guards=(_ACTIONS,),
        waits=True,
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/rollback",
        backups.roll_back,
        operation_id="rollbackContainer",
        summary="Put a container back on the image of a backup",
        description="By the same steps as an update; when the old image does not live either, all stays as it is.",
        tag=_TAG,
        responses={
            200: "RollbackResult",
            202: _ACCEPTED,
            400: Answer("Error", "The body is wrong."),
            404: Answer("Error", "No such container or backup, or no docker trigger is configured for it."),
            409: Answer("Error", "An operation on the container is already in progress."),
            500: Answer("Error", "The rollback failed; what ran before runs again."),
        },
        guards=(Confirm("container-rollback"), containers.KnownContainer()),
        body="RollbackRequest",
        waits=True,
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/preview",
        previews.preview,
        operation_id="previewContainerUpdate",
        summary="See what an update would change",
        description="Reads the image's settings from its registry; nothing is pulled, nothing is touched.",
        tag=_TAG,
        responses={
            200: "Preview",
            202: _ACCEPTED,
            404: Answer("PreviewError", "No container has this id, it is gone, or no docker trigger serves it."),
            500: Answer("PreviewError", "It was tried and failed, or the agent is not connected."),
            502: Answer("PreviewError", "The registry or the engine failed."),
        },
        waits=True,
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/update-operations",
        containers.list_operations,
        operation_id="listUpdateOperations",
        summary="Get the update history of a container",
        tag=_TAG,
        responses={200: "UpdateOperationList", 404: _NOT_FOUND},
        query=PAGING,
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/update-operations/{{operationId}}",
        containers.get_operation,
        operation_id="getUpdateOperation",
        summary="Follow one update",
        description="Found under the id the container had before the update as well.",
        tag=_TAG,
        responses={200: "UpdateOperation", 404: Answer("Error", "No such container or operation.")},
    ),
    Route(
        "POST",
        "/api/v1/operations/{id}/cancel",
        updates.cancel,
        operation_id="cancelOperation",
        summary="Cancel an update or a rollback",
        description="One that waits ends at once; one at work is undone, until the old container is stopped.",
        tag=_TAG,
        responses={
            200: "OperationAccepted",
            202: Answer(
                "OperationAccepted",
                "It ends before its next step.",
                headers={"Location": "Where it can be followed."},
            ),
            404: Answer("Error", "No such operation is under way, nor has one ended within the last hour."),
            409: Answer("Error", "It has ended, or the new container is taking over already."),
        },
    ),
    _action("start", lifecycle.start_container),
    _action("stop", lifecycle.stop_container),
    _action("restart", lifecycle.restart_container),
    Route(
        "GET",
        "/api/v1/commands/{agent}/{commandId}",
        watching.get_command,
        operation_id="getCommand",
        summary="Follow an order to a host",
        tag=_TAG,
        responses={200: "Command", 404: Answer("Error", "Unknown, or ended more than an hour ago.")},
    ),
)

CONTAINERS: tuple[Route, ...] = (*_OWN, *READING, *POLICY)
