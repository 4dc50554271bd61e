"""The rows of the table that others call unasked."""

from __future__ import annotations

from handlers import webhooks
from handlers.guards import QUARTER_HOUR, RateLimit
from handlers.route import Answer, Route
from handlers.webhook_guards import SignedByRegistry, WebhookToken

_TAG = "webhooks"
_LIMIT = RateLimit("webhook", 30, QUARTER_HOUR)
_RUNNING = Answer("OperationAccepted", "Still at work when the wait was over; `Location` says where to look.")
_NO_AGENT = Answer("Error", "The check failed, or the agent is not connected.")

WEBHOOKS: tuple[Route, ...] = (
    Route(
        "POST",
        "/api/v1/webhooks/registry",
        webhooks.registry_pushed,
        operation_id="registryPushed",
        summary="Tell of a push to a registry",
        description="Docker Hub, GHCR, Harbor, Quay, ACR, and ECR through EventBridge. Starts a check of those "
        "containers that run the image, and does not wait for it.",
        tag=_TAG,
        responses={
            202: Answer("RegistryPushHeard", "Understood; a check has begun where a container is concerned."),
            400: Answer("Error", "No registry tells of a push like this."),
        },
        guards=(RateLimit("registry-webhook", 60, QUARTER_HOUR), SignedByRegistry()),
        body="RegistryPush",
        public=True,
    ),
    Route(
        "POST",
        "/api/v1/webhook/watch",
        webhooks.watch_all,
        operation_id="webhookWatchAll",
        summary="Check every container, by token",
        tag=_TAG,
        responses={200: "WebhookDone", 202: _RUNNING, 500: _NO_AGENT},
        guards=(_LIMIT, WebhookToken("watchall")),
        public=True,
        waits=True,
    ),
    Route(
        "POST",
        "/api/v1/webhook/watch/{containerName}",
        webhooks.watch_named,
        operation_id="webhookWatchContainer",
        summary="Check the containers of a name, by token",
        tag=_TAG,
        responses={
            200: "WebhookDone",
            202: _RUNNING,
            404: Answer("Error", "No container has this name."),
            500: _NO_AGENT,
        },
        guards=(_LIMIT, WebhookToken("watch")),
        public=True,
        waits=True,
    ),
    Route(
        "POST",
        "/api/v1/webhook/update/{containerName}",
        webhooks.update_named,
        operation_id="webhookUpdateContainer",
        summary="Update the container of a name, by token",
        tag=_TAG,
        responses={
            200: "WebhookDone",
            202: _RUNNING,
            400: Answer("Error", "There is nothing to move to."),
            404: Answer("Error", "No container has this name, or no docker trigger."),
            409: Answer("Error", "Several containers have this name, or an update is under way."),
            500: Answer("Error", "The update failed, or the agent is not connected."),
        },
        guards=(_LIMIT, WebhookToken("update")),
        public=True,
        waits=True,
    ),
)
