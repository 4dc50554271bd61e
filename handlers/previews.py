"""Looking at what an update would change."""

from __future__ import annotations

from collections.abc import Mapping

from chalicelib.domain.command import Command, CommandState
from chalicelib.domain.errors import Failed, NotFound
from chalicelib.ports.services import Services
from chalicelib.usecases.request_preview import new_image, note_preview, request_preview
from chalicelib.wire import json
from chalicelib.wire import preview as wire
from handlers.containers import find
from handlers.hosts import accepted, command_location, ordering
from handlers.http import Request, Response

_GARBLED = (502, "manifest-fetch-failed")
_SILENT = (502, "registry-network-error")
_ENGINE = (502, "preview-runtime-error")
_TROUBLES: Mapping[str, tuple[int, str]] = {
    "NotFound": (404, "container-runtime-not-found"),
    "RegistryDenied": (502, "registry-auth-failed"),
    "RegistryNotFound": (502, "registry-not-found"),
    "RegistryUnavailable": _SILENT,
    "RegistryLimited": _SILENT,
    "RegistryGarbled": _GARBLED,
    "RegistryUntrusted": _GARBLED,
    "NoSuchPlatform": _GARBLED,
    "EngineUnavailable": _ENGINE,
    "EngineRejected": _ENGINE,
}
"""Status and code by what went wrong on the host; everything else is 500."""


def preview(request: Request, services: Services) -> object:
    """What an update would change, field by field; nothing is pulled, nothing is touched."""
    try:
        entry = find(request, services)
    except NotFound as error:
        return _failure(404, str(error), "container-not-found")
    orders = ordering(request, services)
    try:
        command = orders.wait(request_preview(entry, orders))
    except NotFound as error:
        note_preview(entry, orders, services.audit, str(error))
        return _failure(404, str(error), "no-trigger-configured")
    except Failed as error:
        note_preview(entry, orders, services.audit, str(error))
        return _failure(500, str(error), "preview-runtime-error")
    if not command.ended:
        return accepted(command.id, command_location(command), "The host has been asked; it is still at work.")
    if command.state is CommandState.FAILED:
        message, status, code = _trouble(command)
        note_preview(entry, orders, services.audit, message)
        return _failure(status, message, code)
    note_preview(entry, orders, services.audit)
    return wire.write(entry, new_image(entry), command.result)


def _trouble(command: Command) -> tuple[str, int, str]:
    status, code = _TROUBLES.get(str(command.result.get("error_kind")), (500, "preview-runtime-error"))
    return str(command.result.get("error", "It failed.")), status, code


def _failure(status: int, message: str, code: str) -> Response:
    return Response(status, json.dumps(wire.failure(message, code)))
