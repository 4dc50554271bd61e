"""WUD's unversioned paths, for the clients that were written for it: bare arrays, and 200 where all went well."""

from __future__ import annotations

from handlers import containers, triggers, watching
from handlers.guards import CompatWud, Confirm, Feature
from handlers.route import Answer, Route

_BASE = "/api/containers"
_TAG = "wud"
_ON = CompatWud()
_NOT_FOUND = Answer("Error", "No container has this id, or WUD's paths are switched off (`DD_COMPAT_WUD=false`).")
_ACCEPTED = Answer(
    "OperationAccepted", "Still at work when the wait was over.", headers={"Location": "Where it can be followed."}
)
_FAILED = Answer("Error", "It was tried and failed, or the agent is not connected.")

WUD: tuple[Route, ...] = (
    Route(
        "GET",
        _BASE,
        containers.list_bare,
        operation_id="listContainersBare",
        summary="Get all containers in a bare array",
        description="What clients of WUD read. The same path with a slash at its end answers too.",
        tag=_TAG,
        responses={200: "Containers"},
        guards=(_ON,),
    ),
    Route(
        "GET",
        f"{_BASE}/{{id}}",
        containers.get_container,
        operation_id="getContainerUnversioned",
        summary="Get a container by id",
        tag=_TAG,
        responses={200: "Container", 404: _NOT_FOUND},
        guards=(_ON,),
    ),
    Route(
        "GET",
        f"{_BASE}/{{id}}/triggers",
        triggers.list_bare,
        operation_id="listContainerTriggersBare",
        summary="Get the triggers that serve a container in a bare array",
        tag=_TAG,
        responses={200: "Triggers", 404: _NOT_FOUND},
        guards=(_ON,),
    ),
    Route(
        "POST",
        f"{_BASE}/watch",
        watching.watch_all_bare,
        operation_id="watchContainersBare",
        summary="Check all containers for newer images, and get them in a bare array",
        tag=_TAG,
        responses={200: "Containers", 202: _ACCEPTED, 500: _FAILED},
        guards=(_ON,),
        scope="watch",
        waits=True,
    ),
    Route(
        "POST",
        f"{_BASE}/{{id}}/watch",
        watching.watch_container,
        operation_id="watchContainerUnversioned",
        summary="Check a container for a newer image",
        tag=_TAG,
        responses={200: "Container", 202: _ACCEPTED, 404: _NOT_FOUND, 500: _FAILED},
        guards=(_ON,),
        scope="watch",
        waits=True,
    ),
    Route(
        "DELETE",
        f"{_BASE}/{{id}}",
        containers.delete_container,
        operation_id="deleteContainerUnversioned",
        summary="Forget a container",
        tag=_TAG,
        responses={204: None, 404: _NOT_FOUND},
        guards=(_ON, Confirm("container-delete"), Feature("delete")),
    ),
)
