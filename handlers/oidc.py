"""Logging in through an identity provider: off to it, and back."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from chalicelib.domain.errors import NotFound, SlipwayError, Unauthenticated
from chalicelib.ports.identity import IdentityProvider, Ticket
from chalicelib.ports.services import Services
from chalicelib.usecases.note_log_in import note_log_in
from chalicelib.usecases.open_session import open_session
from chalicelib.wire import json
from chalicelib.wire import query as query_wire
from handlers.auth import session_cookie_for
from handlers.guards import cookie_value
from handlers.http import Request, Response

COOKIE = "slipway.oidc"
PATIENCE_SECONDS = 600
HOME = "/"


def begin(request: Request, services: Services) -> Response:
    """Where the login page sends the browser; a cookie ties the way back to this browser."""
    provider = _provider(request, services)
    seed = secrets.token_urlsafe(32)
    url = provider.authorization_url(_callback(request, services), _ticket(seed))
    return Response(body=json.dumps({"url": url}), headers=(("Set-Cookie", _cookie(request, seed, PATIENCE_SECONDS)),))


def finish(request: Request, services: Services) -> Response:
    """The browser comes back with a code: open a session, and go home."""
    provider = _provider(request, services)
    way = f"oidc.{provider.name}"
    seed = cookie_value(request, COOKIE)
    ticket = _ticket(seed or "")
    shown = query_wire.first(request.query, "state") or ""
    if not seed or not hmac.compare_digest(shown.encode(), ticket.state.encode()):
        raise Unauthenticated("This log-in was not begun in this browser, or too long ago. Begin again.")
    code = query_wire.first(request.query, "code")
    try:
        if not code:
            raise Unauthenticated("The identity provider did not accept this log-in. Begin again.")
        name = provider.identify(code, _callback(request, services), ticket)
    except SlipwayError:
        note_log_in(services.audit, services.clock, name=way, succeeded=False, way=way)
        raise
    note_log_in(services.audit, services.clock, name=name, succeeded=True, way=way)
    session = open_session(name, services.clock.new_id(), services.clock.now())
    headers = (
        ("Location", HOME),
        *session_cookie_for(session, request, services),
        ("Set-Cookie", _cookie(request, "", 0)),
    )
    return Response(302, headers=headers, media_type=None)


def _provider(request: Request, services: Services) -> IdentityProvider:
    provider = services.providers.get(request.path_params["name"])
    if provider is None:
        raise NotFound("No identity provider has this name.")
    return provider


def _ticket(seed: str) -> Ticket:
    # One random seed in the browser, from which nobody without it can tell the others.
    state, nonce, verifier = (hashlib.sha256(f"{use}:{seed}".encode()).hexdigest() for use in ("s", "n", "v"))
    return Ticket(state, nonce, verifier)


def _callback(request: Request, services: Services) -> str:
    origin = services.settings.public_url or f"{request.scheme}://{request.host}"
    return f"{origin.rstrip('/')}/auth/oidc/{request.path_params['name']}/cb"


def _cookie(request: Request, value: str, lasts: int) -> str:
    # Lax: it has to come along when the provider sends the browser back.
    secure = "; Secure" if request.scheme == "https" else ""
    return f"{COOKIE}={value}; Path=/auth/oidc; HttpOnly; SameSite=Lax; Max-Age={lasts}{secure}"
