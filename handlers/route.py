"""Route: everything there is to know about an endpoint, for dispatch and for OpenAPI alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.ports.services import Services
from handlers.http import Headers, Request

Handler = Callable[[Request, Any], object]
"""Answers a Response, or a value that is written as JSON with status 200."""


class Guard(Protocol):
    """A condition of a route, checked after authentication and before the handler, in the order of the row."""

    @property
    def answers(self) -> Mapping[int, str]:
        """The statuses it may refuse with, and why: for OpenAPI."""
        ...

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        """The OpenAPI parameters it reads."""
        ...

    def __call__(self, request: Request, services: Services, /) -> Headers:
        """Let the request pass, with headers for its answer, or raise a domain error."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """One query parameter, for OpenAPI; the handler reads it through `chalicelib.wire`."""

    name: str
    schema: Mapping[str, Any]
    description: str


@dataclass(frozen=True, slots=True)
class Answer:
    """One status a route answers with: the schema's name in models.json (nothing: no body), and what it means."""

    schema: str | None = None
    description: str = ""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: `path` holds `{names}`; `body` names a schema of models.json every JSON body must meet."""

    method: str
    path: str
    handler: Handler
    operation_id: str
    summary: str
    tag: str
    responses: Mapping[int, str | Answer | None]
    description: str = ""
    guards: tuple[Guard, ...] = ()
    body: str | None = None
    query: tuple[Query, ...] = ()
    public: bool = False
    scope: str = ""
    """What a caller's token must allow: read, watch, act or admin. GET needs read and the rest act, unless said."""
    waits: bool = False
    """Whether it may wait for a host: a door that runs handlers in threads gives it a pool of its own."""

    def answer(self, status: int) -> Answer:
        """The answer declared for a status; a plain string or nothing in the row stands for its schema."""
        declared = self.responses[status]
        return declared if isinstance(declared, Answer) else Answer(declared)

    @property
    def needs(self) -> str:
        """The scope a caller must have."""
        return self.scope or ("read" if self.method == "GET" else "act")
