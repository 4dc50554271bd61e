"""The rows that run triggers, and those of the notices that wait for theirs."""

from __future__ import annotations

from handlers import outbox, rules, trigger_runs
from handlers.containers import LIST_PATH
from handlers.guards import CompatWud
from handlers.route import Answer, Guard, Query, Route

_TAG = "triggers"
_ACCEPTED = Answer(
    "OperationAccepted", "Still at work when the wait was over.", headers={"Location": "Where it can be followed."}
)
_BAD = Answer("Error", "There is nothing to update to, or the agent is missing from the path.")
_NOT_FOUND = Answer("Error", "No such container or trigger.")
_CONFLICT = Answer("Error", "An operation is open already, or the gate blocks the candidate.")
_FAILED = Answer("Error", "It was tried and failed; in the trigger's own words.")
_RESPONSES: dict[int, str | Answer | None] = {
    200: "EmptyObject",
    202: _ACCEPTED,
    400: _BAD,
    404: _NOT_FOUND,
    409: _CONFLICT,
    500: _FAILED,
}
_RUN = "{type}/{name}"
_THROUGH = f"{_RUN}/{{agent}}"


def _on_container(operation_id: str, base: str, path: str, *guards: Guard, tag: str = _TAG) -> Route:
    return Route(
        "POST",
        f"{base}/{{id}}/triggers/{path}",
        trigger_runs.run_on_container,
        operation_id=operation_id,
        summary="Run a trigger on a container",
        description="A docker trigger updates the container; it has run when the update has ended.",
        tag=tag,
        responses=_RESPONSES,
        guards=guards,
        waits=True,
    )


def _with_body(operation_id: str, path: str, *guards: Guard, tag: str = _TAG) -> Route:
    return Route(
        "POST",
        path,
        trigger_runs.run_with_body,
        operation_id=operation_id,
        summary="Run a trigger on the container in the body",
        tag=tag,
        responses=_RESPONSES,
        guards=guards,
        body="TriggerRequest",
        waits=True,
    )


TRIGGERS: tuple[Route, ...] = (
    Route(
        "GET",
        rules.RULES_PATH,
        rules.list_rules,
        operation_id="listNotificationRules",
        summary="Get which events are told to whom",
        tag=_TAG,
        responses={200: "NotificationRuleList"},
    ),
    Route(
        "PATCH",
        f"{rules.RULES_PATH}/{{ruleId}}",
        rules.change_rule,
        operation_id="changeNotificationRule",
        summary="Change whether an event is told, and to whom",
        tag=_TAG,
        responses={200: "NotificationRule", 404: Answer("Error", "No rule has this id.")},
        body="NotificationRuleRequest",
    ),
    _on_container("runContainerTrigger", LIST_PATH, _RUN),
    _on_container("runContainerTriggerOfAgent", LIST_PATH, _THROUGH),
    _with_body("runTrigger", f"/api/v1/triggers/{_RUN}"),
    _with_body("runTriggerOfAgent", f"/api/v1/triggers/{_THROUGH}"),
    _with_body("runTriggerUnversioned", f"/api/triggers/{_RUN}", CompatWud(), tag="wud"),
    _on_container("runContainerTriggerUnversioned", "/api/containers", _RUN, CompatWud(), tag="wud"),
    _on_container("runContainerTriggerOfAgentUnversioned", "/api/containers", _THROUGH, CompatWud(), tag="wud"),
    Route(
        "GET",
        outbox.OUTBOX_PATH,
        outbox.list_outbox,
        operation_id="listOutbox",
        summary="List notices that wait for delivery or were given up",
        tag=_TAG,
        responses={200: "NoticeList", 400: Answer("Error", "A word is not in its list.")},
        query=(
            Query("status", {"type": "string", "enum": ["waiting", "dead"]}, "Only notices in this state."),
            Query("limit", {"type": "integer", "default": 0, "minimum": 0}, "How many to return; 0 means all."),
            Query("offset", {"type": "integer", "default": 0, "minimum": 0}, "How many to skip."),
        ),
    ),
    Route(
        "POST",
        f"{outbox.OUTBOX_PATH}/{{noticeId}}/retry",
        outbox.retry_notice,
        operation_id="retryNotice",
        summary="Try to deliver a notice again that was given up",
        tag=_TAG,
        responses={
            200: "Notice",
            404: Answer("Error", "No notice has this id."),
            409: Answer("Error", "It was not given up."),
        },
    ),
    Route(
        "DELETE",
        f"{outbox.OUTBOX_PATH}/{{noticeId}}",
        outbox.drop_notice,
        operation_id="dropNotice",
        summary="Forget a notice that was given up",
        tag=_TAG,
        responses={
            204: None,
            404: Answer("Error", "No notice has this id."),
            409: Answer("Error", "It was not given up."),
        },
    ),
)
