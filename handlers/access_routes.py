"""The rows about who may come in: logging in and out, and API tokens."""

from __future__ import annotations

from handlers import auth, oidc, tokens
from handlers.route import Answer, Query, Route

_LOCKED = Answer(
    "Error",
    "Too many wrong passwords for this account, or from this address.",
    headers={"Retry-After": "Seconds until the lock ends."},
)
_NO_PROVIDER = Answer("Error", "No identity provider has this name.")
_SILENT = Answer("Error", "The identity provider does not answer.")
_OPEN_TO_ALL = "For login pages: needs no log-in itself."


def _status(path: str, operation_id: str) -> Route:
    return Route(
        "GET",
        path,
        auth.status,
        operation_id=operation_id,
        summary="List the ways to log in",
        description=_OPEN_TO_ALL,
        tag="auth",
        responses={200: "AuthStatus"},
        public=True,
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
        responses={200: "AuthUser", 401: "Error", 423: _LOCKED},
        body="LoginRequest",
        public=True,
    ),
    Route(
        "POST",
        "/auth/remember",
        auth.remember,
        operation_id="rememberSession",
        summary="Keep the session for 30 days, or until the browser closes",
        tag="auth",
        responses={200: "Remembered", 400: Answer("Error", "The body is not valid, or there is no session.")},
        body="RememberRequest",
        scope="read",
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
    _status("/auth/status", "getAuthStatus"),
    _status("/api/v1/auth/status", "getAuthStatusVersioned"),
    _status("/api/auth/status", "getAuthStatusUnversioned"),
    Route(
        "GET",
        "/auth/strategies",
        auth.strategies,
        operation_id="getAuthStrategies",
        summary="List the ways to log in, under their older name",
        description=_OPEN_TO_ALL,
        tag="auth",
        responses={200: "Strategies"},
        public=True,
    ),
    Route(
        "GET",
        "/auth/oidc/{name}/redirect",
        oidc.begin,
        operation_id="beginOidcLogIn",
        summary="Get where to log in at an identity provider",
        description="Sets a cookie that ties the way back to this browser.",
        tag="auth",
        responses={200: "OidcRedirect", 404: _NO_PROVIDER, 503: _SILENT},
        public=True,
    ),
    Route(
        "GET",
        "/auth/oidc/{name}/cb",
        oidc.finish,
        operation_id="finishOidcLogIn",
        summary="Come back from an identity provider",
        tag="auth",
        responses={
            302: Answer(description="Logged in: on to the dashboard.", headers={"Location": "`/`"}),
            401: Answer("Error", "The provider refused, or another browser began this log-in."),
            404: _NO_PROVIDER,
            503: _SILENT,
        },
        query=(
            Query("code", {"type": "string"}, "From the provider."),
            Query("state", {"type": "string"}, "As it was sent to the provider."),
        ),
        public=True,
    ),
)

TOKENS: tuple[Route, ...] = (
    Route(
        "GET",
        tokens.TOKENS_PATH,
        tokens.list_all,
        operation_id="listTokens",
        summary="Get all API tokens, newest first",
        tag="tokens",
        responses={200: "TokenList"},
        scope="admin",
    ),
    Route(
        "POST",
        tokens.TOKENS_PATH,
        tokens.create,
        operation_id="createToken",
        summary="Make an API token",
        description="Send it as `Authorization: Bearer …`. It is in this answer, and is never shown again.",
        tag="tokens",
        responses={
            201: Answer("NewToken", headers={"Location": "Where it can be revoked."}),
            409: Answer("Error", "There are too many tokens."),
        },
        body="TokenRequest",
        scope="admin",
    ),
    Route(
        "DELETE",
        f"{tokens.TOKENS_PATH}/{{id}}",
        tokens.revoke,
        operation_id="revokeToken",
        summary="Revoke an API token",
        description="At once; an instance that has just used it may take it for a minute more.",
        tag="tokens",
        responses={204: None, 404: Answer("Error", "No token has this id.")},
        scope="admin",
    ),
)
