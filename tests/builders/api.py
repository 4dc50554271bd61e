"""The whole API over a real store, with a host that answers at once, and answers checked against the contract."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from chalicelib.bootstrap import Services
from chalicelib.config import load
from chalicelib.domain.account import Account
from chalicelib.domain.agent import Agent
from chalicelib.domain.container import Container
from handlers.dispatch import dispatch, table
from handlers.http import Response
from tests.builders.containers import NOW
from tests.builders.requests import event, request
from tests.builders.shared_store import SharedStore
from tests.fakes.accounts import FakeAccounts, FakePasswords
from tests.fakes.host import FakeHost
from tests.fakes.services import StillClock

SCHEMA = Path(__file__).parents[1] / "data/container-model.schema.json"
DOCKER_TRIGGER: Mapping[str, Any] = {
    "id": "docker.local",
    "type": "docker",
    "name": "local",
    "configuration": {"prune": False},
}


Door = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """What a client sees."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    def must_be(self, status: int, definition: str | None = None) -> Any:
        """The parsed body, after status and schema have been checked."""
        assert self.status == status, (self.status, self.body[:500])
        if definition is not None:
            conform(definition, self.json)
        return self.json if self.body else None


@dataclass
class Api:
    """A composed API. `host` is its one agent's host."""

    services: Services
    host: FakeHost
    door: Door | None = None
    """What requests go through as events of API Gateway; none: straight to dispatch."""

    def add(self, *containers: Container, **environments: Mapping[str, str]) -> None:
        """Let these run on the host and be known; a further argument is the environment of the one of that name."""
        self.run_there(*containers, **environments)
        self.services.containers.save(containers)

    def run_there(self, *containers: Container, **environments: Mapping[str, str]) -> None:
        """Let these run on the host, which has not told of them yet."""
        for one in containers:
            self.host.running[one.identity] = one
            self.host.secrets[one.identity] = environments.get(one.name, {})

    def report(self, *triggers: Mapping[str, Any], agent: str = "local", seen: bool = True) -> None:
        """An agent's heartbeat with these triggers; one that is not `seen` was last heard of long ago."""
        at = NOW if seen else NOW.replace(year=2020)
        self.services.agents.report(Agent(agent, facts={"triggers": list(triggers)}), at)

    def call(self, method: str, target: str, payload: object = None, **headers: str) -> Answer:
        """Send a request as ada; a payload is sent as JSON, bytes as they are."""
        body = payload if isinstance(payload, bytes) else b"" if payload is None else json.dumps(payload).encode()
        if self.door is not None:
            return _outside(self.door(event(method, target, body=body, **headers)))
        return _answer(dispatch(request(method, target, body=body, **headers), self.services, table()))

    def get(self, target: str, **headers: str) -> Answer:
        """GET."""
        return self.call("GET", target, **headers)


def _outside(result: dict[str, Any]) -> Answer:
    """What a door hands to API Gateway, as the client gets it."""
    headers = {name.lower(): value for name, value in (result.get("headers") or {}).items()}
    headers |= {name.lower(): values[0] for name, values in (result.get("multiValueHeaders") or {}).items()}
    body = base64.b64decode(result["body"]) if result["isBase64Encoded"] else (result["body"] or "").encode()
    return Answer(result["statusCode"], headers, body)


def _answer(response: Response) -> Answer:
    body = response.body if isinstance(response.body, bytes) else b"".join(response.body)
    return Answer(response.status, {name.lower(): value for name, value in response.headers}, body)


@contextmanager
def api_over(url: str, **environment: str) -> Iterator[Api]:
    """An API over the store at that address, whose tables are emptied first."""
    settings = load(
        {
            "AWS_ENDPOINT_URL": url,
            "DD_SERVER_RATELIMIT_MAX": "100000",
            "DD_SERVER_COMPRESSION_ENABLED": "false",
            "DD_SERVER_COMMAND_WAIT_SECONDS": "5",
            **environment,
        }
    )
    services = Services(settings)
    services.clock = StillClock(NOW)  # type: ignore[assignment]
    services.started_at = NOW
    host = FakeHost(services)
    put = vars(services)
    put["queue"] = host
    put["accounts"] = FakeAccounts(Account("ada", "plain:difference engine", NOW))
    put["passwords"] = FakePasswords()
    put["tables"] = shared_store(url).tables(settings.region, settings.table_prefix)
    api = Api(services, host)
    api.report(DOCKER_TRIGGER)
    yield api


shared_store = cache(SharedStore)
"""The store at an address."""


@cache
def _validator(definition: str) -> Draft202012Validator:
    document = json.loads(SCHEMA.read_text())
    document["$ref"] = f"#/$defs/{definition}"
    return Draft202012Validator(document, format_checker=FormatChecker(["date-time"]))


def conform(definition: str, value: object) -> None:
    """Fail unless the value meets that definition of the contract's schema."""
    errors = sorted(_validator(definition).iter_errors(value), key=lambda error: list(map(str, error.path)))
    assert not errors, "; ".join(f"{list(error.path)}: {error.message[:200]}" for error in errors[:5])


def nulls(value: object, at: str = "") -> list[str]:
    """Where a body has a null."""
    if isinstance(value, dict):
        return [place for name, inner in value.items() for place in nulls(inner, f"{at}.{name}")]
    if isinstance(value, list):
        return [place for index, inner in enumerate(value) for place in nulls(inner, f"{at}[{index}]")]
    return [at] if value is None else []
