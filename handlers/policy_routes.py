"""The rows that change what is known of a container, and the one that shows its secrets."""

from __future__ import annotations

from handlers import containers, environment, policy
from handlers.guards import Confirm, Feature, RateLimit
from handlers.route import Answer, Route

BASE = containers.LIST_PATH
_TAG = "containers"
_NOT_FOUND = Answer("Error", "No container has this id.")

POLICY: tuple[Route, ...] = (
    Route(
        "PATCH",
        f"{BASE}/{{id}}/update-policy",
        policy.change_update_policy,
        operation_id="changeUpdatePolicy",
        summary="Skip, snooze or let updates mature, or take that back",
        description="The policy belongs to the container's name and outlives its recreation. What is set here wins "
        "over the container's labels, and those over its watcher's settings.",
        tag=_TAG,
        responses={
            200: "Container",
            400: Answer("Error", "The action is unknown, or a value does not suit it."),
            404: _NOT_FOUND,
        },
        guards=(containers.KnownContainer(),),
        body="UpdatePolicyRequest",
    ),
    Route(
        "DELETE",
        f"{BASE}/{{id}}",
        containers.delete_container,
        operation_id="deleteContainer",
        summary="Forget a container",
        description="Only the record: the container itself is left alone, and found again by the next watch.",
        tag=_TAG,
        responses={204: None, 404: _NOT_FOUND},
        guards=(Confirm("container-delete"), Feature("delete")),
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/env/reveal",
        environment.reveal,
        operation_id="revealEnvironment",
        summary="Reveal a container's environment",
        description="Fetched from its host, secrets included, and noted in the audit log. Needs the scope admin.",
        tag=_TAG,
        responses={
            200: "EnvReveal",
            404: _NOT_FOUND,
            500: Answer("Error", "The agent is not connected, or did not answer in time."),
        },
        guards=(RateLimit("env-reveal", 10, 60),),
        scope="admin",
        waits=True,
    ),
)
