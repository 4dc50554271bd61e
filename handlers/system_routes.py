"""The rows about this server: health, its own description, what it is made of."""

from __future__ import annotations

from handlers import system
from handlers.route import Answer, Route

SYSTEM: tuple[Route, ...] = (
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
        responses={200: Answer("EmptyObject", "An OpenAPI 3.1 document.")},
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
)
