"""Guards: who is asking, and the conditions a row of the table can name."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any

from chalicelib.domain.errors import Forbidden, NotFound, TooMany, Unauthenticated, Unconfirmed
from chalicelib.domain.host_name import split_port
from chalicelib.domain.lockout import LockoutRule
from chalicelib.ports.services import Services
from chalicelib.usecases.authenticate import Credentials, Doorkeeper, authenticate
from chalicelib.usecases.note_log_in import note_lock
from handlers.http import Caller, Headers, Refused, Request

COOKIE = "drydock.sid"
QUARTER_HOUR = 15 * 60

Parameters = Sequence[Mapping[str, Any]]


def authenticated(request: Request, services: Services) -> Caller:
    """Who is asking; raises Unauthenticated, and Refused with 400 when the Authorization header cannot be read."""
    found = authenticate(
        credentials(request),
        doorkeeper=doorkeeper(services),
        sessions=services.sessions,
        tokens=services.tokens,
        vouch=lambda token: _vouched(token, services),
        vouched=lambda: bool(services.providers),
        anonymous=services.settings.anonymous,
        now=services.clock.now(),
    )
    return Caller(found.name, found.scheme, found.scopes, found.session_id)


def _vouched(token: str, services: Services) -> str | None:
    """Whom one of the identity providers knows by this token."""
    named = (provider.identify_bearer(token) for provider in services.providers.values())
    return next((name for name in named if name is not None), None)


def doorkeeper(services: Services) -> Doorkeeper:
    """Who checks passwords, as the settings want it."""
    settings = services.settings
    window = timedelta(milliseconds=settings.lockout_window_ms)
    duration = timedelta(milliseconds=settings.lockout_duration_ms)
    return Doorkeeper(
        services.accounts,
        services.passwords,
        services.attempts,
        LockoutRule(settings.account_lockout_attempts, window, duration),
        LockoutRule(settings.address_lockout_attempts, window, duration),
        lambda what: note_lock(services.audit, services.clock, what),
    )


def credentials(request: Request) -> Credentials:
    """What the request shows: Basic credentials, a bearer token, the session cookie, several of them or none."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    session, origin = session_cookie(request), network(request.client)
    if not scheme:
        return Credentials(session=session)
    if scheme.lower() == "bearer":
        return Credentials(name="", session=session, token=value.strip(), network=origin)
    if scheme.lower() != "basic":
        # A scheme we do not know proves nothing, but must not fall back to nobody either.
        return Credentials(name="", session=session)
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise Refused(400, "The Authorization header is not valid: Basic takes base64 of name:password.") from None
    if not colon:
        raise Refused(400, "The Authorization header is not valid: Basic takes base64 of name:password.")
    return Credentials(name, password, session, network=origin)


def session_cookie(request: Request) -> str | None:
    """The session cookie's value."""
    return cookie_value(request, COOKIE)


def cookie_value(request: Request, name: str) -> str | None:
    """A cookie's value."""
    if name not in request.headers.get("cookie", ""):
        return None
    try:
        morsel = SimpleCookie(request.headers["cookie"]).get(name)
    except CookieError:
        return None
    return morsel.value if morsel else None


def allowed(request: Request, scope: str) -> None:
    """Raise Forbidden unless the caller's rights cover the scope."""
    if request.caller is None:
        raise Unauthenticated("Log in first.")
    require(request.caller, scope)


def require(caller: Caller, scope: str) -> None:
    """Raise Forbidden unless these rights cover the scope."""
    if scope not in caller.scopes:
        raise Forbidden(f"This token does not allow that: it lacks the scope {scope}.")


@dataclass(frozen=True, slots=True)
class Feature:
    """The feature must be on, else 403."""

    name: str

    @property
    def answers(self) -> Mapping[int, str]:
        """403."""
        return {403: f"The feature is off (`DD_SERVER_FEATURE_{self.name.upper()}`)."}

    @property
    def parameters(self) -> Parameters:
        """None."""
        return ()

    def __call__(self, _request: Request, services: Services, /) -> Headers:
        """Raise Forbidden when it is off."""
        if self.name not in services.settings.features:
            raise Forbidden(f"This is switched off. Set DD_SERVER_FEATURE_{self.name.upper()}=true to allow it.")
        return ()


@dataclass(frozen=True, slots=True)
class CompatWud:
    """The row is one of WUD's paths: 404 when those are switched off."""

    @property
    def answers(self) -> Mapping[int, str]:
        """404."""
        return {404: "WUD's paths are switched off (`DD_COMPAT_WUD=false`)."}

    @property
    def parameters(self) -> Parameters:
        """None."""
        return ()

    def __call__(self, _request: Request, services: Services, /) -> Headers:
        """Raise NotFound when they are off."""
        if not services.settings.compat_wud:
            raise NotFound("Nothing answers under this path.")
        return ()


@dataclass(frozen=True, slots=True)
class Confirm:
    """A destructive request must say so: `X-DD-Confirm-Action` must hold the token, else 428."""

    token: str

    @property
    def answers(self) -> Mapping[int, str]:
        """428."""
        return {428: f"`X-DD-Confirm-Action: {self.token}` is missing."}

    @property
    def parameters(self) -> Parameters:
        """The header."""
        header = {"name": "X-DD-Confirm-Action", "in": "header", "required": True}
        schema = {"type": "string", "enum": [self.token]}
        return ({**header, "description": "Confirms that this is meant.", "schema": schema},)

    def __call__(self, request: Request, _services: Services, /) -> Headers:
        """Raise Unconfirmed unless the first value is the token, in any case."""
        given = request.headers.get("x-dd-confirm-action", "").split(",")[0].strip()
        if given.lower() != self.token:
            raise Unconfirmed(f"This cannot be undone. Confirm it with the header X-DD-Confirm-Action: {self.token}")
        return ()


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `most` requests of the scope in a window of `seconds`, by caller; 429 beyond."""

    scope: str
    most: int
    seconds: int

    @property
    def answers(self) -> Mapping[int, str]:
        """429."""
        return {429: f"More than {self.most} requests in {self.seconds} seconds."}

    @property
    def parameters(self) -> Parameters:
        """None."""
        return ()

    def __call__(self, request: Request, services: Services, /) -> Headers:
        """The `RateLimit-*` headers; raises TooMany, which carries them too."""
        key = f"{self.scope}:{limit_key(request, services)}"
        usage = services.limits.hit(key, self.seconds, services.clock.now(), self.most)
        headers = (
            ("RateLimit-Policy", f"{self.most};w={self.seconds}"),
            ("RateLimit-Limit", str(self.most)),
            ("RateLimit-Remaining", str(max(0, self.most - usage.count))),
            ("RateLimit-Reset", str(usage.resets_in)),
        )
        if usage.count > self.most:
            raise Limited(usage.resets_in, headers)
        return headers


class Limited(TooMany):
    """A rate limit is used up; `headers` tell how much there was."""

    def __init__(self, retry_after: int, headers: Headers) -> None:
        super().__init__(f"Too many requests. Try again in {retry_after} seconds.", retry_after)
        self.headers = headers


def limit_key(request: Request, services: Services) -> str:
    """Whose requests are counted together: an address, or an identity where the settings say so."""
    if services.settings.rate_limit_by_identity:
        caller = request.caller
        if caller is not None and caller.scheme != "anonymous":
            return f"session:{caller.session_id}" if caller.session_id else f"user:{caller.name}"
        cookie = session_cookie(request) if caller is None else None
        session = services.sessions.read(cookie, services.clock.now()) if cookie else None
        if session is not None:
            return f"session:{session.id}"
    return f"ip:{network(request.client)}"


def network(address: str) -> str:
    """The address, without the port some proxies write behind it; of IPv6 its /56, which is what one customer has."""
    try:
        parsed = ipaddress.ip_address(split_port(address)[0].partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(parsed.ipv4_mapped or ipaddress.ip_network((parsed, 56), strict=False))
    return str(parsed)
