"""ROUTES: the one table. A row is an endpoint; every door and the OpenAPI document are made from it."""

from __future__ import annotations

from handlers import auth, system
from handlers.container_routes import CONTAINERS
from handlers.observation_routes import OBSERVATION
from handlers.route import Answer, Route
from handlers.wud_routes import WUD

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

AUTH: tuple[Route, ...] = (
    Route(
        "POST",
        "/auth/login",
        auth.log_in,
        operation_id="logIn",
        summary="Open a session",
        description="Takes `Authorization: Basic`, or a user name and a password in the body; answers with a cookie.",
        tag="auth",
        responses={200: "AuthUser", 401: "Error"},
        body="LoginRequest",
        public=True,
    ),
    Route(
        "POST",
        "/auth/logout",
        auth.log_out,
        operation_id="logOut",
        summary="End the session",
        tag="auth",
        responses={200: "LogoutResult"},
        scope="read",
    ),
    Route(
        "GET",
        "/auth/user",
        auth.who_am_i,
        operation_id="getUser",
        summary="Tell who is asking",
        tag="auth",
        responses={200: "AuthUser"},
    ),
    Route(
        "GET",
        "/auth/status",
        auth.status,
        operation_id="getAuthStatus",
        summary="List the ways to log in",
        tag="auth",
        responses={200: "AuthStatus"},
        public=True,
    ),
)

ROUTES: tuple[Route, ...] = (*SYSTEM, *AUTH, *CONTAINERS, *OBSERVATION, *WUD)
