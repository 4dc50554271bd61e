"""The rows of the table about the safety of images."""

from __future__ import annotations

from chalicelib.domain.security import SBOM_FORMATS, SPDX
from handlers import security, security_runtime
from handlers.container_routes import BASE, PAGING
from handlers.guards import RateLimit
from handlers.route import Answer, Query, Route

_TAG = "security"
_NOT_FOUND = Answer("Error", "No container has this id.")
_ACCEPTED = Answer(
    "OperationAccepted",
    "Still at work when the wait was over, or at once with `Prefer: respond-async`.",
    headers={"Location": "Where it can be followed."},
)
_NO_SCANNER = Answer("Error", "No scanner is configured, or a parameter is wrong.")
_FAILED = Answer("Error", "The agent is not connected, or what it was asked for failed.")

SECURITY: tuple[Route, ...] = (
    Route(
        "GET",
        security.OVERVIEW_PATH,
        security.list_vulnerabilities,
        operation_id="listVulnerabilities",
        summary="Get the vulnerabilities of all running images",
        description="Grouped by container name; `limit` and `offset` count vulnerabilities.",
        tag=_TAG,
        responses={200: "VulnerabilityOverview"},
        query=PAGING,
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/vulnerabilities",
        security.get_vulnerabilities,
        operation_id="getContainerVulnerabilities",
        summary="Get the newest scan of a container",
        description="Of the image it runs or of the one it could move to, whichever was scanned last.",
        tag=_TAG,
        responses={200: "VulnerabilityResult", 404: _NOT_FOUND},
    ),
    Route(
        "POST",
        f"{BASE}/{{id}}/scan",
        security.scan_container,
        operation_id="scanContainer",
        summary="Scan the images of a container",
        description="The image it runs and the one it could move to. A scanner that fails is told of in the scan.",
        tag=_TAG,
        responses={200: "Container", 202: _ACCEPTED, 400: _NO_SCANNER, 404: _NOT_FOUND, 500: _FAILED},
        guards=(RateLimit("scan", 30, 60),),
        waits=True,
    ),
    Route(
        "GET",
        f"{BASE}/{{id}}/sbom",
        security.get_sbom,
        operation_id="getContainerSbom",
        summary="Get the bill of materials of a container",
        description="Made when there is none yet, which may take a while.",
        tag=_TAG,
        responses={200: "SbomResponse", 202: _ACCEPTED, 400: _NO_SCANNER, 404: _NOT_FOUND, 500: _FAILED},
        query=(Query("format", {"type": "string", "enum": list(SBOM_FORMATS), "default": SPDX}, "Which format."),),
        waits=True,
    ),
    Route(
        "GET",
        "/api/v1/server/security/runtime",
        security_runtime.get_security_runtime,
        operation_id="getSecurityRuntime",
        summary="Tell whether images can be looked into",
        tag=_TAG,
        responses={200: "SecurityRuntime"},
    ),
)
