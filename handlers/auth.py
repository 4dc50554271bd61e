"""Logging in and out, and what a client may know before it has: `/auth`."""

from __future__ import annotations

from chalicelib.domain.account import Session
from chalicelib.domain.errors import Invalid, Unauthenticated
from chalicelib.ports.services import Services
from chalicelib.usecases.authenticate import Credentials
from chalicelib.usecases.create_first_account import create_first_account
from chalicelib.usecases.note_log_in import note_log_in
from chalicelib.usecases.open_session import end_session, open_session
from chalicelib.wire import json
from handlers.guards import COOKIE, credentials, doorkeeper, network
from handlers.http import Headers, Request, Response


def log_in(request: Request, services: Services) -> Response:
    """Check a name and a password, from the Authorization header or the body, and open a session."""
    fields = request.payload if isinstance(request.payload, dict) else {}
    shown = credentials(request)
    if not shown.name:
        name, password = fields.get("username", ""), fields.get("password", "")
        shown = Credentials(name, password, network=network(request.client))
    now = services.clock.now()
    account = doorkeeper(services).check(shown, now)
    note_log_in(services.audit, services.clock, name=shown.name or "", succeeded=account is not None)
    if account is None:
        raise Unauthenticated("The user name or the password is wrong.")
    remember = fields.get("remember")
    session = open_session(account.name, services.clock.new_id(), now, account.fingerprint, remember)
    cookie = session_cookie_for(session, request, services, remember=remember)
    return Response(body=json.dumps({"username": account.name}), headers=cookie)


def remember(request: Request, services: Services) -> Response:
    """Keep the session for thirty days, or only until the browser closes."""
    session = session_of(request, services)
    # Somebody let in by other means must not prolong a session that is over, of whomever.
    if session is None or request.caller is None or request.caller.session_id != session.id:
        raise Invalid("There is no session to remember. Log in first.")
    wanted = isinstance(request.payload, dict) and request.payload["remember"] is True
    now = services.clock.now()
    longer = open_session(session.name, session.id, now, session.fingerprint, wanted)
    cookie = session_cookie_for(longer, request, services, remember=wanted)
    return Response(body=json.dumps({"ok": True}), headers=cookie)


def log_out(request: Request, services: Services) -> Response:
    """End the session, copies of its cookie included; `logoutUrl` is where to end it at the identity provider."""
    session = session_of(request, services)
    if session is not None:
        end_session(session, services.accounts, services.clock.now())
    urls = [provider.logout_url for provider in services.providers.values() if provider.logout_url]
    vouched = request.caller is not None and request.caller.scheme == "oidc"
    return Response(
        body=json.dumps({"logoutUrl": urls[0]} if urls and vouched else {}), headers=_cookie(request, services, "", 0)
    )


def who_am_i(request: Request, _services: Services) -> Response:
    """The caller's name."""
    assert request.caller is not None
    headers = (("Cache-Control", "private, no-cache, no-store, must-revalidate"),)
    return Response(body=json.dumps({"username": request.caller.name}), headers=headers)


def status(_request: Request, services: Services) -> object:
    """The ways to log in."""
    return {"providers": providers(services), "errors": []}


def strategies(_request: Request, services: Services) -> object:
    """The same under an older name."""
    return {"strategies": providers(services), "warnings": []}


def providers(services: Services) -> list[dict[str, object]]:
    """Each way to log in, as login pages read it."""
    found: list[dict[str, object]] = [{"type": "basic", "name": "Login"}]
    if services.settings.anonymous:
        found.append({"type": "anonymous", "name": "anonymous"})
    for provider in services.providers.values():
        logout = {"logoutUrl": provider.logout_url} if provider.logout_url else {}
        found.append({"type": "oidc", "name": provider.name, "redirect": provider.redirect, **logout})
    return found


def session_of(request: Request, services: Services) -> Session | None:
    """The session the request's cookie opens, for doors that take nothing else."""
    shown = credentials(request).session
    return services.sessions.read(shown, services.clock.now()) if shown else None


def first_account(services: Services) -> str | None:
    """The password of the `admin` that had to be made, to be shown once; nothing when none was needed."""
    return create_first_account(
        services.accounts, services.passwords, anonymous=services.settings.anonymous, now=services.clock.now()
    )


def session_cookie_for(
    session: Session, request: Request, services: Services, *, remember: bool | None = None
) -> Headers:
    """The header that hands a session to the browser; `remember=False` ends it with the browser."""
    lasts = None if remember is False else int((session.expires_at - services.clock.now()).total_seconds())
    return _cookie(request, services, services.sessions.write(session), lasts)


def _cookie(request: Request, services: Services, value: str, lasts: int | None) -> Headers:
    samesite = services.settings.cookie_samesite.capitalize()
    parts = [f"{COOKIE}={value}", "Path=/", "HttpOnly", f"SameSite={samesite}"]
    if lasts is not None:
        parts.append(f"Max-Age={lasts}")
    if request.scheme == "https" or samesite == "None":
        parts.append("Secure")
    return (("Set-Cookie", "; ".join(parts)),)
