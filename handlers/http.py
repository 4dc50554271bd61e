"""Request and Response: frozen, host-neutral values every door translates from and to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain import token

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is asking, as the guards found out: `scheme` is basic, session, token, oidc or anonymous."""

    name: str
    scheme: str
    scopes: frozenset[str] = token.allowed(["admin"])
    session_id: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. Header names are lower case; a repeated query key keeps every value; `client` is an IP address.

    `path` is as it was sent, percent-encoded. `host` and `scheme` are those the client sees.
    """

    method: str
    path: str
    path_params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Sequence[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = ""
    scheme: str = "http"
    host: str = ""
    id: str = ""
    """Names the request in the log."""
    stream_seconds: float | None = None
    """How long a streamed body may last, on a host that cannot stream and drains it instead."""
    caller: Caller | None = None
    payload: object = None
    """The parsed JSON body, once dispatch has checked it against the route's schema; `{}` when there was none."""

    @property
    def caller_name(self) -> str:
        """Who is asking, for the audit log."""
        return self.caller.name if self.caller is not None else "nobody"


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; a body that is an iterator is streamed where the host can, and drained where it cannot."""

    status: int = 200
    body: bytes | Iterator[bytes] = b""
    headers: Headers = ()
    media_type: str | None = JSON

    def header(self, name: str) -> str | None:
        """The first header of that name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Refused(Exception):
    """HTTP itself forbids the request: a status no domain error stands for."""

    def __init__(self, status: int, message: str, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
