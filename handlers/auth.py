"""Logging in and out: `/auth`."""

from __future__ import annotations

from chalicelib.domain.account import Session
from chalicelib.domain.errors import Unauthenticated
from chalicelib.ports.services import Services
from chalicelib.usecases.authenticate import check_password
from chalicelib.usecases.create_first_account import create_first_account
from chalicelib.usecases.open_session import open_session
from chalicelib.wire import json
from handlers.guards import COOKIE, credentials
from handlers.http import Headers, Request, Response


def log_in(request: Request, services: Services) -> Response:
    """Check a name and a password, from the Authorization header or the body, and open a session."""
    fields = request.payload if isinstance(request.payload, dict) else {}
    shown = credentials(request)
    name, password = shown.name, shown.password
    if name is None:
        name, password = fields.get("username", ""), fields.get("password", "")
    account = check_password(name, password, services.accounts, services.passwords)
    if account is None:
        raise Unauthenticated("The user name or the password is wrong.")
    remember = fields.get("remember")
    now = services.clock.now()
    session = open_session(account, session_id=services.clock.new_id(), now=now, remember=remember)
    lasts = None if remember is False else int((session.expires_at - now).total_seconds())
    cookie = _cookie(request, services, services.sessions.write(session), lasts)
    return Response(body=json.dumps({"username": account.name}), headers=cookie)


def log_out(request: Request, services: Services) -> Response:
    """Take the session cookie back."""
    return Response(body=json.dumps({}), headers=_cookie(request, services, "", 0))


def who_am_i(request: Request, _services: Services) -> Response:
    """The caller's name."""
    assert request.caller is not None
    headers = (("Cache-Control", "private, no-cache, no-store, must-revalidate"),)
    return Response(body=json.dumps({"username": request.caller.name}), headers=headers)


def status(_request: Request, services: Services) -> object:
    """The ways to log in."""
    providers = [{"type": "basic", "name": "Login"}]
    if services.settings.anonymous:
        providers.append({"type": "anonymous", "name": "anonymous"})
    return {"providers": providers, "errors": []}


def session_of(request: Request, services: Services) -> Session | None:
    """The session the request's cookie opens, for doors that take nothing else."""
    shown = credentials(request).session
    return services.sessions.read(shown, services.clock.now()) if shown else None


def first_account(services: Services) -> str | None:
    """The password of the `admin` that had to be made, to be shown once; nothing when none was needed."""
    return create_first_account(
        services.accounts, services.passwords, anonymous=services.settings.anonymous, now=services.clock.now()
    )


def _cookie(request: Request, services: Services, value: str, lasts: int | None) -> Headers:
    samesite = services.settings.cookie_samesite.capitalize()
    parts = [f"{COOKIE}={value}", "Path=/", "HttpOnly", f"SameSite={samesite}"]
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    if request.scheme == "https" or samesite == "None":
        parts.append("Secure")
    return (("Set-Cookie", "; ".join(parts)),)
