"""Request and Response: frozen, host-neutral values every door translates from and to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, as the guards found out: `scheme` is basic, session, token, oidc or anonymous."""

    name: str
    scheme: str
    scopes: frozenset[str] = frozenset({"admin"})


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower case; a repeated query key keeps every value; `client` is an IP address."""

    method: str
    path: str
    path_params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    scheme: str = "http"
    caller: Caller | None = None
    payload: object = None
    """The parsed JSON body, once dispatch has checked it against the route's schema."""


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; a body that is an iterator is streamed where the host can, and drained where it cannot."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str | None = JSON
