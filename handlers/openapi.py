"""The OpenAPI 3.1 document, made from ROUTES and the schemas that bodies are checked against."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from chalicelib.wire import schemas
from handlers.openapi_examples import answered
from handlers.route import Answer, Route

Json = dict[str, Any]

_SECURITY: Json = {
    "basic": {"type": "http", "scheme": "basic", "description": "A user name and a password."},
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "A personal API token, from `POST /api/v1/tokens`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "drydock.sid",
        "description": "What `POST /auth/login` sets.",
    },
}
_PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`respond-async` answers 202 at once instead of waiting for the host.",
    "schema": {"type": "string", "examples": ["respond-async"]},
}
_TAGS = {
    "containers": "What runs, what is newer, and what holds it back.",
    "updates": "Moving containers to newer images, and back.",
    "lifecycle": "Starting and stopping.",
    "security": "Vulnerabilities and bills of materials.",
    "observation": "Logs and resource usage.",
    "auth": "Logging in and out.",
    "tokens": "Personal API tokens.",
    "components": "What Slipway is made of by its settings: watchers, registries, agents.",
    "events": "What happens, as it happens.",
    "audit": "What was done.",
    "wud": "WUD's unversioned paths, for clients that were written for it.",
    "system": "About this server.",
}
_INFO = {
    "title": "Slipway",
    "description": "Watches containers, says which have a newer image, and updates them without ever losing one. "
    "Members that have nothing to say are absent, never null. Errors are `{error}`.",
    "license": {"name": "MIT", "identifier": "MIT"},
}


def build(version: str) -> Json:
    """The document, ready to be written as JSON."""
    from handlers.routes import ROUTES

    return describe(ROUTES, version)


def describe(routes: tuple[Route, ...], version: str) -> Json:
    """The document of these routes."""
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    used = dict.fromkeys(route.tag for route in routes)
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag, **({"description": _TAGS[tag]} if tag in _TAGS else {})} for tag in used],
        "security": [{"basic": []}, {"token": []}, {"session": []}],
        "paths": paths,
        "components": {"schemas": schemas.models(), "securitySchemes": _SECURITY},
    }


def _operation(route: Route) -> Json:
    operation: Json = {"operationId": route.operation_id, "summary": route.summary, "tags": [route.tag]}
    if route.description:
        operation["description"] = route.description
    if route.public:
        operation["security"] = []
    parameters = _parameters(route)
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        required = bool(schemas.models()[route.body].get("required"))
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": _ref(route.body)}}}
    operation["responses"] = {
        str(status): _response(status, answer, route.operation_id) for status, answer in _answers(route).items()
    }
    return operation


def _parameters(route: Route) -> list[Json]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"\{(\w+)\}", route.path)
    ]
    in_query: list[Json] = [
        {"name": query.name, "in": "query", "description": query.description, "schema": dict(query.schema)}
        for query in route.query
    ]
    if route.waits:
        in_query.append(_PREFER)
    return [*in_path, *in_query, *(dict(parameter) for guard in route.guards for parameter in guard.parameters)]


def _answers(route: Route) -> dict[int, Answer]:
    answers = {status: route.answer(status) for status in route.responses}
    implied: dict[int, str] = {}
    for guard in route.guards:
        implied.update(guard.answers)
    if not route.public:
        implied.setdefault(401, "Nobody we know is asking.")
        implied.setdefault(403, "The caller's token does not allow it, or a page of another site is asking.")
        implied.setdefault(423, "Too many wrong passwords: locked for a while.")
    if route.path.startswith(("/api/", "/auth/")):
        implied.setdefault(429, "Too many requests.")
    if route.method in ("POST", "PUT", "PATCH"):
        implied.setdefault(400, "The body is not valid.")
        implied.setdefault(413, "The body is too large.")
        implied.setdefault(415, "The body is not declared to be JSON.")
    elif not route.public:
        implied.setdefault(400, "The request is not valid.")
    implied.setdefault(500, "Something went wrong inside Slipway.")
    for status, text in implied.items():
        answers.setdefault(status, Answer("Error", text))
    return dict(sorted(answers.items()))


def _response(status: int, answer: Answer, operation_id: str) -> Json:
    response: Json = {"description": answer.description or HTTPStatus(status).phrase}
    headers = dict(answer.headers)
    if status in (423, 429):
        headers.setdefault("Retry-After", "Seconds until the next try is worth it.")
    if status == 401:
        headers.setdefault("WWW-Authenticate", "How to log in.")
    if headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in sorted(headers.items())
        }
    if answer.schema is not None:
        if answer.schema == "Error":
            shown = {"error": answer.description or HTTPStatus(status).phrase}
        else:
            shown = answered(operation_id if status < 202 else "", answer.schema)
        response["content"] = {answer.media_type: {"schema": _ref(answer.schema), "example": shown}}
    elif answer.media_type != "application/json":
        response["content"] = {answer.media_type: {"schema": {"type": "string"}}}
    return response


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
