"""Settings of identity providers: `DD_AUTH_OIDC_{name}_*`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from chalicelib.settings_reader import BadSetting, Reader, components

PREFIX = "DD_AUTH_OIDC_"


@dataclass(frozen=True, slots=True)
class OidcSettings:
    """One OpenID provider; `discovery` is the address of its openid-configuration."""

    name: str
    client_id: str
    client_secret: str = field(repr=False)
    discovery: str
    redirect: bool = False
    logout_url: str | None = None
    timeout_ms: int = 5000


def read_oidc(reader: Reader, problems: list[str]) -> tuple[OidcSettings, ...]:
    """Every provider that is set up completely; the others are named in `problems`."""
    return tuple(components(reader, PREFIX, problems, lambda name, prefix: _provider(reader, name, prefix)))


def _provider(reader: Reader, name: str, prefix: str) -> OidcSettings:
    client_id, secret = reader.get(f"{prefix}CLIENTID"), reader.get(f"{prefix}CLIENTSECRET")
    discovery = reader.get(f"{prefix}DISCOVERY")
    if not client_id or not secret or not discovery:
        raise BadSetting(f"{prefix}CLIENTID, {prefix}CLIENTSECRET and {prefix}DISCOVERY must all be set")
    if not re.match(r"https://|http://(localhost|127\.0\.0\.1)[:/]", discovery):
        raise BadSetting(f"{prefix}DISCOVERY must be an https:// address")
    return OidcSettings(
        name=name,
        client_id=client_id,
        client_secret=secret,
        discovery=discovery,
        redirect=reader.flag(f"{prefix}REDIRECT", False),
        logout_url=reader.get(f"{prefix}LOGOUTURL") or None,
        timeout_ms=reader.number(f"{prefix}TIMEOUT", 5000, 500, 60_000),
    )
