"""Who may call a webhook: it asks for no account, but for a signature or a token of its own."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import Forbidden
from chalicelib.domain.webhook import SIGNATURES, same_secret, signed
from chalicelib.ports.services import Services
from handlers.http import Headers, Refused, Request

_CHALLENGE: Headers = (("WWW-Authenticate", 'Bearer realm="webhook"'),)
_OFF = "Webhooks are switched off. Set DD_SERVER_WEBHOOK_ENABLED=true to allow them."


@dataclass(frozen=True, slots=True)
class SignedByRegistry:
    """The body is signed with the secret; a registry that cannot sign shows the secret in the Authorization header.

    As a bearer token, or as the password of Basic: Docker Hub and Quay send no header of one's own, but they send what
    stands before the `@` in the address they are given. In the query it is not looked for: queries end up in logs.
    """

    @property
    def answers(self) -> Mapping[int, str]:
        """401 and 403."""
        return {401: "The signature is missing or wrong.", 403: "Registry webhooks are switched off."}

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        """The header."""
        return (
            {
                "name": "X-Hub-Signature-256",
                "in": "header",
                "required": False,
                "description": "`sha256=` and the HMAC-SHA256 of the body in hex; also as `X-DD-Signature`.",
                "schema": {"type": "string"},
            },
        )

    def __call__(self, request: Request, services: Services, /) -> Headers:
        """Raise Forbidden while they are off, Refused with 401 when the sender proves nothing."""
        rules = services.settings.webhook
        if not rules.enabled:
            raise Forbidden(_OFF)
        if rules.secret is None:
            raise Forbidden("Registries are not heard without a secret. Set DD_SERVER_WEBHOOK_SECRET.")
        shown = next((request.headers[name] for name in SIGNATURES if request.headers.get(name)), None)
        proven = (
            signed(rules.secret, request.body, shown)
            if shown is not None
            else same_secret(rules.secret, bearer(request) or basic_password(request))
        )
        if not proven:
            raise Refused(401, "The signature of this webhook is missing or wrong.", _CHALLENGE)
        return ()


@dataclass(frozen=True, slots=True)
class WebhookToken:
    """The request carries the token of the endpoint."""

    endpoint: str

    @property
    def answers(self) -> Mapping[int, str]:
        """401 and 403."""
        return {401: "The token is missing or wrong.", 403: "Webhooks are switched off, here or for this container."}

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        """The header."""
        return (
            {
                "name": "Authorization",
                "in": "header",
                "required": True,
                "description": "`Bearer` and the token of this webhook.",
                "schema": {"type": "string"},
            },
        )

    def __call__(self, request: Request, services: Services, /) -> Headers:
        """Raise Forbidden while they are off, Refused with 401 without the token."""
        rules = services.settings.webhook
        if not rules.enabled:
            raise Forbidden(_OFF)
        token = rules.tokens.get(self.endpoint)
        if not token:
            raise Forbidden("This webhook has no token, so it is closed. Set DD_SERVER_WEBHOOK_TOKEN.")
        if not same_secret(token, bearer(request)):
            raise Refused(401, "The token of this webhook is missing or wrong.", _CHALLENGE)
        return ()


def bearer(request: Request) -> str:
    """The bearer token of a request; empty when there is none."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def basic_password(request: Request) -> str:
    """The password of Basic credentials; empty when there are none."""
    scheme, _, value = request.headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
