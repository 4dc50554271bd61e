"""A real request for each operation of the OpenAPI document, on the stage of the contract's walk, and what it answers.

`python -m tests.builders.exercised` writes the examples of that document anew: chalicelib/wire/examples.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chalicelib.wire import schemas
from handlers.route import Route
from handlers.routes import ROUTES
from tests.builders.api import Answer, Api
from tests.builders.contract_walk import CALM, COMMAND, FAR, NOTICE, OPEN, WEB, staged
from tests.fakes.forge import Forge, running_forge
from tests.store_process import running_store

EXAMPLES = Path(__file__).parents[2] / "chalicelib/wire/examples.json"
SECRET, TOKEN = "a-webhook-secret", "a-webhook-token-of-32-characters"
WEBHOOKS = {"ENABLED": "true", "SECRET": SECRET, "TOKEN": TOKEN}
SETTINGS = {f"DD_SERVER_WEBHOOK_{name}": value for name, value in WEBHOOKS.items()}

WITHOUT = {
    "getOpenApi": "it is the document itself",
    "rememberSession": "it needs a browser's session",
    "acknowledgeSelfUpdate": "it needs a token of the event stream",
    "beginOidcLogIn": "it needs an identity provider",
    "getAuthenticationOfAgent": "agents have none",
    "listLogEntries": "a log is never the same twice",
    "listLogComponents": "a log is never the same twice",
    "createToken": "its answer is a secret",
}
"""Operations whose examples are made from their schemas, and why."""

_NAMES = {"watchers": ("docker", "local"), "registries": ("hub", "public"), "authentications": ("basic", "Login")}
_PATHS: Mapping[str, Mapping[str, str]] = {
    "startContainer": {"id": CALM.id},
    "runContainerTriggerOfAgent": {"id": FAR.id},
    "runContainerTriggerOfAgentUnversioned": {"id": FAR.id},
    "cancelOperation": {"id": OPEN},
    "getUpdateOperation": {"operationId": "op-0"},
    "dropNotice": {"noticeId": "b" * 40},
    "changeNotificationRule": {"ruleId": "agent-disconnect"},
}
_BODIES: Mapping[str, object] = {
    "rollbackContainer": {"backupId": "abc123"},
    "watchContainers": {},
    "changeUpdatePolicy": {"action": "skip-current"},
    "changeNotificationRule": {"enabled": True},
    "registryPushed": {"push_data": {"tag": "1.3.0"}, "repository": {"repo_name": "library/web"}},
    **{name: {"id": WEB.id, "name": "web"} for name in ("runTrigger", "runTriggerOfAgent", "runTriggerUnversioned")},
}
_QUERIES = {"listContainers": "?limit=1", "watchContainers": "?limit=1", "listAudit": "?limit=2"}
_BEFORE = {"listVulnerabilities", "getContainerVulnerabilities"}
"""What is told by a scan needs one before."""


def target(route: Route) -> str:
    """The path of that operation, with ids of the stage."""
    return route.path.format_map(ids(route)) + _QUERIES.get(route.operation_id, "")


def ids(route: Route) -> dict[str, str]:
    """What stands for each name in its path."""
    noun = next((one for one in _NAMES if one in route.path), "")
    kind, name = _NAMES.get(noun, ("ntfy", "one"))
    filled: dict[str, str] = {"id": WEB.id, "type": kind, "name": name, "agent": "local", "commandId": COMMAND}
    filled |= {"noticeId": NOTICE, "containerName": "web", "operationId": OPEN}
    if route.path.endswith("{agent}"):
        filled["agent"] = "nas"
    filled |= _PATHS.get(route.operation_id, {})
    return {name: value for name, value in filled.items() if f"{{{name}}}" in route.path}


def headers(route: Route) -> dict[str, str]:
    """What it needs to be let in, besides the name and the password of ada."""
    found: dict[str, str] = {}
    for guard in route.guards:
        for one in guard.parameters:
            if one["name"] == "X-DD-Confirm-Action":
                found["x_dd_confirm_action"] = one["schema"]["enum"][0]
    if route.operation_id.startswith("webhook"):
        found["authorization"] = f"Bearer {TOKEN}"
    if route.operation_id == "registryPushed":
        found["authorization"] = f"Bearer {SECRET}"
    return found


def ask(api: Api, route: Route, **more: str) -> Answer:
    """Make the request of that operation, with `more` headers."""
    if route.operation_id in _BEFORE:
        api.call("POST", f"/api/v1/containers/{WEB.id}/scan")
    body = _BODIES.get(route.operation_id)
    return api.call(route.method, target(route), body, **{**headers(route), **more})


def shown(route: Route) -> bool:
    """Whether that operation has an answer in JSON worth showing."""
    good = min((status for status in route.responses if status < 300), default=0)
    return bool(good and route.answer(good).schema) and route.operation_id not in WITHOUT


def exercised(store: str, forge: Forge) -> dict[str, tuple[int, Any]]:
    """Status and body that each operation with one answers; those that change something have a stage of their own."""
    found: dict[str, tuple[int, Any]] = {}

    def note(api: Api, route: Route) -> None:
        answer = ask(api, route)
        found[route.operation_id] = answer.status, answer.json if answer.body else None

    rows = [route for route in ROUTES if shown(route)]
    with staged(store, "chalice", forge, **SETTINGS) as api:
        for route in sorted(rows, key=lambda one: one.operation_id in _BEFORE):
            if route.method == "GET":
                note(api, route)
    for route in rows:
        if route.method != "GET":
            with staged(store, "chalice", forge, **SETTINGS) as api:
                note(api, route)
    return {route.operation_id: found[route.operation_id] for route in rows}


def of_rows(answers: Mapping[str, tuple[int, Any]]) -> dict[str, Any]:
    """One example of each schema and, where it says something else, of each operation."""
    found: dict[str, Any] = {}
    for route in ROUTES:
        status, body = answers.get(route.operation_id, (0, None))
        if status in (200, 201, 202) and route.answer(status).schema is not None:
            found.setdefault(str(route.answer(status).schema), body)
            if body != found[str(route.answer(status).schema)]:
                found[route.operation_id] = body
    return {name: body for name, body in found.items() if name in schemas.models() or len(json.dumps(body)) < 4000}


def main() -> None:
    """Write the examples anew."""
    with tempfile.TemporaryDirectory() as folder, running_store(Path(folder)) as store, running_forge() as forge:
        answers = exercised(store.url, forge)
    for name, (status, body) in answers.items():
        if not 200 <= status < 300:
            print(name, status, body)
    EXAMPLES.write_text(json.dumps(of_rows(answers), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
