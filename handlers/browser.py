"""What browsers need to be told, and what they tell about the page behind a request: CORS, CSRF, security headers."""

from __future__ import annotations

from urllib.parse import urlsplit

from chalicelib.domain.errors import Forbidden
from chalicelib.ports.services import Services, Settings
from handlers.http import Headers, Request

POLICY = (
    "default-src 'self'; base-uri 'none'; connect-src 'self' ws: wss:; font-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; img-src 'self' data:; object-src 'none'; script-src 'self'; style-src 'self'"
)
SECURITY: Headers = (
    ("Content-Security-Policy", POLICY),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("Referrer-Policy", "same-origin"),
    ("X-Content-Type-Options", "nosniff"),
)
TRANSPORT: Headers = (("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),)
SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_WITH_THE_BROWSER = frozenset({"anonymous", "basic"})

_READABLE = (
    "Content-Disposition, ETag, Location, RateLimit-Limit, RateLimit-Policy, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Request-Id"
)
_SENDABLE = "Authorization, Content-Type, If-None-Match, Last-Event-ID, Prefer, X-DD-Confirm-Action"


def cors(request: Request, settings: Settings) -> Headers:
    """The headers that let the page's origin read the answer, where the settings allow that."""
    if not settings.cors_enabled:
        return ()
    vary = (("Vary", "Origin"),)
    allowed = _allowed_origin(request, settings)
    if allowed is None:
        return vary
    return (("Access-Control-Allow-Origin", allowed), ("Access-Control-Expose-Headers", _READABLE), *vary)


def preflight(request: Request, settings: Settings) -> Headers:
    """The headers that answer a browser's question before it sends the real request."""
    if _allowed_origin(request, settings) is None or "access-control-request-method" not in request.headers:
        return ()
    return (
        ("Access-Control-Allow-Methods", settings.cors_methods),
        ("Access-Control-Allow-Headers", _SENDABLE),
        ("Access-Control-Max-Age", "600"),
    )


def same_origin(request: Request, services: Services) -> None:
    """Raise Forbidden when another site's page is behind a request that changes something with borrowed rights.

    Rights are borrowed when they come with the browser, not with the page: a cookie, an open (anonymous) server, or a
    password that the browser once asked for and now adds to whatever it sends here.
    Requests without a cookie and without any sign of a browser, such as curl's, pass.
    """
    if request.method in SAFE:
        return
    has_cookie = "cookie" in request.headers
    if not has_cookie and (request.caller is None or request.caller.scheme not in _WITH_THE_BROWSER):
        return
    if not has_cookie and _may_act(request, services.settings):
        return
    origin = request.headers.get("origin") or _origin_of(request.headers.get("referer", ""))
    if request.headers.get("sec-fetch-site", "").lower() == "cross-site" or (origin and origin != _own_origin(request)):
        raise Forbidden("This request came from a page of another site.")
    if has_cookie and not origin:
        raise Forbidden("A request with a cookie must say where it comes from, in an Origin or Referer header.")


def _may_act(request: Request, settings: Settings) -> bool:
    """Whether the settings let the page's origin act. `*` names none to which a browser's own password is lent."""
    allowed = _allowed_origin(request, settings)
    lent = request.caller is not None and request.caller.scheme == "basic"
    return allowed is not None and not (lent and allowed == "*")


def _own_origin(request: Request) -> str:
    return f"{request.scheme}://{request.host}".lower()


def _origin_of(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "null"
    return f"{parts.scheme}://{parts.netloc}".lower() if parts.netloc else ""


def _allowed_origin(request: Request, settings: Settings) -> str | None:
    origin = request.headers.get("origin")
    if not settings.cors_enabled or origin is None:
        return None
    allowed = [entry.strip() for entry in settings.cors_origin.split(",")]
    if "*" in allowed:
        return "*"
    return origin if origin in allowed else None
