"""Walks the contract by the list of what it names: each request, parameter, field, status, action and close code has a
test of that name here, behind both doors; one that nobody has thought of fails."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from handlers.routes import ROUTES
from tests.builders.api import SCHEMA, Answer, Api, conform, nulls
from tests.builders.contract_text import SECTIONS, facts
from tests.builders.contract_walk import OFF, SUCCESSES, at, refusal, staged
from tests.builders.contract_walk import WEB as STAGED_WEB
from tests.fakes.forge import Forge, running_forge

FACTS: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data/container-contract.json").read_text())
PAGE = Path(__file__).parents[3] / "shared/spec/container-api.txt"
DOORS = ("chalice", "fastapi")
SOCKET = "WS /containers/:id/logs/stream"
OTHER_SUCCESS = {"DELETE /containers/:id": 204}
NEVER = {
    ("GET /containers/:id/release-notes", 500): "a forge that fails counts as one without notes",
    ("DELETE /containers/:id", 500): "only our record is removed, so no agent is asked",
}
"""What the reference may answer, and the contract does not name."""
KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
NULLABLE = "data[].stats"
"""Of a container that does not run."""
TOLD_IN_WORDS = {
    "GET /containers/security/vulnerabilities": {
        "totalContainers": "integer",
        "scannedContainers": "integer",
        "latestScannedAt": "string",
        "images": "array",
        "images[].image": "string",
        "images[].containerIds": "array",
        "images[].vulnerabilities": "array",
    },
    "GET /containers/:id/vulnerabilities": {"status": "string", "vulnerabilities": "array"},
    "GET /containers/:id/sbom": {"format": "string", "document": "object"},
}
"""Fields that the contract names in sentences."""
ON_SOCKETS = {
    "type": "tests/docker/test_log_stream.py::test_streams_and_beginnings_can_be_chosen",
    "ts": "tests/docker/test_log_stream.py::test_a_hundred_thousand_lines_at_full_speed_arrive_whole_in_order_once",
    "line": "tests/docker/test_log_stream.py::test_whatever_bytes_a_container_writes_every_line_is_one_frame",
    "stdout": "tests/docker/test_log_stream.py::test_streams_and_beginnings_can_be_chosen",
    "stderr": "tests/docker/test_log_stream.py::test_streams_and_beginnings_can_be_chosen",
    "tail": "tests/docker/test_log_stream.py::test_streams_and_beginnings_can_be_chosen",
    "since": "tests/docker/test_log_stream.py::test_streams_and_beginnings_can_be_chosen",
    "follow": "tests/docker/test_log_stream.py::test_a_hundred_thousand_lines_at_full_speed_arrive_whole_in_order_once",
    "1000": "tests/docker/test_log_stream.py::test_a_container_removed_while_it_is_followed_ends_the_stream_normally",
    "4001": "tests/docker/test_log_stream.py::test_a_container_that_does_not_run_is_4001_and_an_unknown_one_4004",
    "4004": "tests/docker/test_log_stream.py::test_a_container_that_does_not_run_is_4001_and_an_unknown_one_4004",
    "1011": "tests/docker/test_log_stream.py::test_a_viewer_of_a_dead_executor_is_told_within_seconds",
    "401": "tests/integration/test_stream_door.py::test_who_is_not_known_is_refused_with_401",
    "429": "tests/integration/test_stream_door.py::test_upgrades_are_counted",
}
"""What the contract says of the WebSocket, which takes a host and a real server: where each is tested."""


@cache
def x_routes() -> dict[str, dict[str, str]]:
    """The definitions by request and status."""
    routes: dict[str, dict[str, str]] = json.loads(SCHEMA.read_text())["x-routes"]
    return {re.sub(r"\{(\w+)\}", r":\1", name): answers for name, answers in routes.items()}


REQUESTS = [asked for section in FACTS.values() for asked in section["requests"] if asked != SOCKET]
FIELDS = [
    (asked, field, kind)
    for section in FACTS.values()
    for asked in section["requests"]
    if asked != SOCKET
    for field, kind in {**section.get("fields", {}), **TOLD_IN_WORDS.get(asked, {})}.items()
]
STATUSES = [
    (asked, status)
    for section in FACTS.values()
    for asked in section["requests"]
    if asked != SOCKET
    for status in sorted({*section.get("statuses", ()), *(int(one) for one in x_routes()[asked] if one.isdigit())})
    if status >= 400 and (asked, status) not in NEVER
]
PARAMETERS = [
    (asked, name, word)
    for section in FACTS.values()
    for asked in section["requests"]
    if asked != SOCKET
    for name, words in section.get("parameters", {}).items()
    for word in words or [""]
]
SOCKET_FACTS = FACTS["Stream container logs (WebSocket)"]


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    with running_forge() as found:
        yield found


@pytest.fixture(scope="module", params=DOORS)
def answers(request: pytest.FixtureRequest, api_store: str, forge: Forge) -> dict[str, Answer]:
    """What every request answers when all is well, each on a stage of its own."""
    found = {}
    for asked, ask in SUCCESSES.items():
        with staged(api_store, request.param, forge) as api:
            found[asked] = ask(api)
    return found


Variants = Mapping[tuple[str, str, str], tuple[Answer, Answer, Answer]]


@pytest.fixture(scope="module", params=DOORS)
def variants(request: pytest.FixtureRequest, api_store: str, forge: Forge) -> Variants:
    """What is answered without a parameter, with it, and when it holds nonsense, after a scan."""
    found = {}
    with staged(api_store, request.param, forge) as api:
        SUCCESSES["POST /containers/:id/scan"](api)
        for asked, name, word in PARAMETERS:
            path = f"/api/v1{asked.split()[1]}".replace("/api/v1/containers/:id", at(STAGED_WEB))
            value = word or EFFECTIVE[asked.split()[1], name]
            targets = (path, f"{path}?{name}={value}", f"{path}?{name}=nonsense")
            found[asked, name, word] = api.get(targets[0]), api.get(targets[1]), api.get(targets[2])
    return found


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stage(api_store: str, door: str, forge: Forge) -> Iterator[Api]:
    with staged(api_store, door, forge) as api:
        yield api


@contextmanager
def switched_off(api_store: str, door: str, forge: Forge) -> Iterator[Api]:
    with staged(api_store, door, forge, **OFF) as api:
        yield api


# Nothing is left out


def test_the_list_is_what_the_page_names() -> None:
    """The page lies beside the repository, where there is one; the list in it must be the same everywhere."""
    assert tuple(FACTS) == SECTIONS
    if PAGE.exists():
        assert facts(PAGE.read_text()) == FACTS
    assert (len(REQUESTS), len(PARAMETERS), len(FIELDS), len(STATUSES)) == (30, 39, 142, 57)


def test_every_documented_request_has_a_row_and_a_walk() -> None:
    rows = {f"{row.method} {row.path.removeprefix('/api/v1')}" for row in ROUTES}
    documented = {re.sub(r":(\w+)", r"{\1}", asked) for asked in REQUESTS}
    assert {re.sub(r"\{\w+\}", "{}", one) for one in documented} <= {re.sub(r"\{\w+\}", "{}", one) for one in rows}
    assert set(REQUESTS) == set(SUCCESSES)
    assert set(REQUESTS) | {SOCKET} == set(x_routes())


@pytest.mark.parametrize(("asked", "status"), STATUSES, ids=[f"{asked} {status}" for asked, status in STATUSES])
def test_every_documented_error_can_be_had(asked: str, status: int) -> None:
    assert refusal(asked, status) is not None


# Each request, field, status, parameter and action


@pytest.mark.parametrize("asked", REQUESTS)
def test_a_documented_request_answers_as_documented(answers: dict[str, Answer], asked: str) -> None:
    answer = answers[asked]
    assert answer.status == OTHER_SUCCESS.get(asked, 200), answer.body[:500]
    definition = x_routes()[asked].get("200")
    if asked == "POST /containers/:id/update":
        definition = "ContainerFull"
    if definition is not None and definition != "text/plain":
        conform(definition, answer.json)
        allowed = (".stats", ".agent", ".error", ".updateSummary")
        assert [where for where in nulls(answer.json) if not where.endswith(allowed)] == []


@pytest.mark.parametrize(("asked", "field", "kind"), FIELDS, ids=[f"{asked} {field}" for asked, field, _ in FIELDS])
def test_a_documented_field_is_there(answers: dict[str, Answer], asked: str, field: str, kind: str) -> None:
    found = [value for value in values(answers[asked].json, field) if value is not None or field != NULLABLE]
    assert found, f"no {field}"
    for value in found:
        assert isinstance(value, KINDS[kind]), (field, value)
        assert kind == "boolean" or not isinstance(value, bool)


def values(body: Any, field: str) -> list[Any]:
    """Every value of a body under `a.b`, `a[].b` or `a[name]`; absent members are passed over."""
    found = [body]
    for step in re.findall(r"\[\]|\[name\]|\w+", field):
        if step in ("[]", "[name]"):
            found = [inner for one in found for inner in (one.values() if step == "[name]" else one)]
        else:
            found = [one[step] for one in found if isinstance(one, dict) and step in one]
    return found


@pytest.mark.parametrize(("asked", "status"), STATUSES, ids=[f"{asked} {status}" for asked, status in STATUSES])
def test_a_documented_error_is_answered(api_store: str, door: str, forge: Forge, asked: str, status: int) -> None:
    ask = refusal(asked, status)
    assert ask is not None
    with switched_off(api_store, door, forge) if status == 403 else staged(api_store, door, forge) as api:
        answer = ask(api)
    body = answer.must_be(status, "Error")
    assert body["error"].strip()
    if status == 429:
        assert int(answer.headers["retry-after"]) > 0
    if status == 428:
        assert "X-DD-Confirm-Action" in body["error"]


@pytest.mark.parametrize(
    ("asked", "name", "word"), PARAMETERS, ids=[f"{asked} {name}={word}" for asked, name, word in PARAMETERS]
)
def test_a_documented_parameter_changes_the_answer(variants: Variants, asked: str, name: str, word: str) -> None:
    without, answer, nonsense = variants[asked, name, word]
    assert (without.status, answer.status) == (200, 200), answer.body[:300]
    if asked == "GET /containers":
        conform("ContainerList", answer.json)
    if word:
        assert name in nonsense.must_be(400, "Error")["error"]
    else:
        assert answer.body != without.body


EFFECTIVE = {
    ("/containers", "limit"): "1",
    ("/containers", "offset"): "1",
    ("/containers", "includeVulnerabilities"): "true",
    ("/containers", "watcher"): "other",
    ("/containers/backups", "containerName"): "nobody",
    ("/containers/:id/logs", "stdout"): "false",
    ("/containers/:id/logs", "stderr"): "false",
    ("/containers/:id/logs", "tail"): "1",
    ("/containers/:id/logs", "since"): "2026-11-23T11:30:00Z",
    ("/containers/:id/logs", "timestamps"): "false",
}
"""A value of each parameter without a list of words that shows in the answer."""


POLICY: dict[str, dict[str, Any]] = {
    "skip-current": {},
    "remove-skip": {"kind": "tag", "value": "1.3.0"},
    "clear-skips": {},
    "snooze": {"days": 7},
    "unsnooze": {},
    "clear": {},
    "set-maturity-policy": {"mode": "mature", "minAgeDays": 14},
    "clear-maturity-policy": {},
}
SET: dict[str, tuple[dict[str, Any], str]] = {
    "remove-skip": ({"action": "skip-current"}, "skipTags"),
    "clear-skips": ({"action": "skip-current"}, "skipTags"),
    "unsnooze": ({"action": "snooze"}, "snoozeUntil"),
    "clear": ({"action": "skip-current"}, "skipTags"),
    "clear-maturity-policy": ({"action": "set-maturity-policy", "mode": "mature"}, "maturityMode"),
}
"""What must have been set before, and the field that an action takes away again."""
SETS = {"skip-current": "skipTags", "snooze": "snoozeUntil", "set-maturity-policy": "maturityMinAgeDays"}


@pytest.mark.parametrize("action", FACTS["Update container update policy (skip/snooze)"]["actions"])
def test_a_documented_policy_action_does_what_it_says(stage: Api, action: str) -> None:
    path = at(STAGED_WEB, "/update-policy")
    if action in SET:
        before, field = SET[action]
        assert field in stage.call("PATCH", path, before).must_be(200)["updatePolicy"]
        body = stage.call("PATCH", path, {"action": action, **POLICY[action]}).must_be(200, "ContainerFull")
        assert field not in body.get("updatePolicy", {})
    else:
        body = stage.call("PATCH", path, {"action": action, **POLICY[action]}).must_be(200, "ContainerFull")
        assert SETS[action] in body["updatePolicy"]
        assert body["updateAvailable"] is False


@pytest.mark.parametrize("section", [name for name, section in FACTS.items() if "header" in section])
def test_a_documented_confirmation_is_needed(stage: Api, section: str) -> None:
    header, _, token = FACTS[section]["header"].partition(": ")
    method, _, path = FACTS[section]["requests"][0].partition(" ")
    target = f"/api/v1{path}".replace("/api/v1/containers/:id", at(STAGED_WEB))
    stage.call(method, target).must_be(428, "Error")
    confirmed = stage.call(method, target, **{header.lower().replace("-", "_"): token})
    assert confirmed.status == OTHER_SUCCESS.get(f"{method} {path}", 200), confirmed.body[:300]


def test_a_log_is_a_file_to_keep_compressed_for_those_who_like(answers: dict[str, Answer]) -> None:
    answer = answers["GET /containers/:id/logs"]
    assert answer.headers["content-disposition"] == 'attachment; filename="web-logs.txt"'
    assert answer.body.decode().splitlines() == [
        "2026-11-23T11:00:00.000000001Z starting",
        "2026-11-23T11:00:01.000000000Z a warning",
        "2026-11-23T11:59:00.000000000Z ready",
    ]


def test_the_stream_of_stats_sends_documented_events(answers: dict[str, Answer]) -> None:
    answer = answers["GET /containers/:id/stats/stream"]
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [
        dict(line.split(": ", 1) for line in one.splitlines() if ": " in line)
        for one in answer.body.decode().split("\n\n")
    ]
    sent = [json.loads(one["data"]) for one in events if one.get("event") == "dd:container-stats"]
    assert sent
    for one in sent:
        conform("StatsSnapshot", one)


@pytest.mark.parametrize(
    "item",
    [*SOCKET_FACTS["parameters"], *SOCKET_FACTS["fields"], *SOCKET_FACTS["closeCodes"], "401", "429"],
)
def test_what_is_documented_of_the_socket_is_tested_on_a_real_one(item: str) -> None:
    file, _, name = ON_SOCKETS[item].partition("::")
    tree = ast.parse((Path(__file__).parents[2] / file).read_text())
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
