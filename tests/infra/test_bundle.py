"""The bundle: it holds what Lambda needs and nothing more, and it answers under Lambda's own runtime."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from argon2 import PasswordHasher

from infra.bundle import bundle
from tests.builders.requests import event
from tests.infra.lambda_runtime import LambdaRuntime, python
from tests.store_process import running_store

FORBIDDEN = {"fastapi", "starlette", "uvicorn", "pydantic", "docker", "moto", "httpx", "mangum", "boto3", "botocore"}
FORBIDDEN |= {"local_runtime", "tests", "infra", "pytest", "re2", "apprise", "requests", "paho", "kafka"}
LATER = {"argon2", "fastjsonschema", "itsdangerous", "aws_lambda_powertools", "handlers.openapi", "handlers.docs_page"}


@pytest.fixture(scope="module")
def function(task: Path, libraries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LambdaRuntime]:
    """The function, started, with one declared account, beside a store: it counts who fails to log in there."""
    hashed = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash("difference engine")
    settings = {"DD_AUTH_BASIC_ADA_USER": "ada", "DD_AUTH_BASIC_ADA_HASH": hashed, "DD_SESSION_SECRET": "s" * 32}
    with running_store(tmp_path_factory.mktemp("store")) as store:
        settings |= {"AWS_ENDPOINT_URL": store.url, "SLIPWAY_CREATE_TABLES": "true"}
        with LambdaRuntime(task, libraries, "app.app", **settings) as runtime:
            yield runtime


def _size(build: Path, *, compiled: bool) -> int:
    with zipfile.ZipFile(build / "deployment.zip") as archive:
        return sum(item.compress_size for item in archive.infolist() if compiled or not item.filename.endswith(".pyc"))


def _body(answer: dict[str, Any]) -> bytes:
    return base64.b64decode(answer["body"]) if answer["isBase64Encoded"] else answer["body"].encode()


def test_the_bundle_holds_our_packages_and_nothing_of_the_other_hosts(build: Path) -> None:
    with zipfile.ZipFile(build / "deployment.zip") as archive:
        names = set(archive.namelist())
    assert {"app.py", "handlers/routes.py", "chalicelib/bootstrap.py", "chalicelib/wire/models.json"} <= names
    assert not FORBIDDEN & {name.split("/")[0].removesuffix(".py") for name in names}


def test_the_bundle_is_small(build: Path) -> None:
    assert _size(build, compiled=False) < 2_000_000
    assert _size(build, compiled=True) < 3_000_000


def test_every_source_comes_with_its_byte_code(build: Path) -> None:
    with zipfile.ZipFile(build / "deployment.zip") as archive:
        names = set(archive.namelist())
    ours = [name for name in names if name.startswith(("handlers/", "chalicelib/")) and name.endswith(".py")]
    for name in ours:
        folder, _, file = name.rpartition("/")
        compiled = [other for other in names if other.startswith(f"{folder}/__pycache__/{file.removesuffix('.py')}.")]
        assert len(compiled) == 1, name


def test_the_same_sources_give_the_same_bytes(build: Path, tmp_path: Path) -> None:
    bundle(tmp_path)
    for name in ("deployment.zip", "sender.zip"):
        assert (tmp_path / name).read_bytes() == (build / name).read_bytes()


def test_a_cold_start_imports_only_what_every_request_needs(task: Path, libraries: Path) -> None:
    program = "import app, json, sys; print(json.dumps(sorted(sys.modules)))"
    process = python(task, libraries, "-c", program, AWS_LAMBDA_FUNCTION_NAME="slipway-test", AWS_REGION="us-east-1")
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    imported = set(json.loads(output))
    assert "handlers.dispatch" in imported
    assert not (FORBIDDEN | LATER) & (imported | {name.split(".")[0] for name in imported})


def test_the_function_answers_an_event_of_the_gateway(function: LambdaRuntime) -> None:
    answer = function.invoke(event("GET", "/health", authorization=""))
    assert answer["statusCode"] == 200
    assert json.loads(_body(answer))["uptime"] >= 0
    assert answer["headers"]["Content-Type"] == "application/json; charset=utf-8"
    assert answer["headers"]["Strict-Transport-Security"].startswith("max-age=")


def test_the_function_checks_passwords(function: LambdaRuntime) -> None:
    assert function.invoke(event("GET", "/api/v1/app"))["statusCode"] == 200
    refused = function.invoke(event("GET", "/api/v1/app", authorization="Basic " + base64.b64encode(b"ada:x").decode()))
    assert refused["statusCode"] == 401
    assert "error" in json.loads(_body(refused))


def test_a_session_opened_by_the_function_is_accepted_by_it(function: LambdaRuntime) -> None:
    login = function.invoke(event("POST", "/auth/login"))
    cookie = login["headers"]["Set-Cookie"].split(";")[0]
    user = function.invoke(event("GET", "/auth/user", authorization="", cookie=cookie))
    assert json.loads(_body(user)) == {"username": "ada"}


def test_the_function_checks_bodies_and_describes_itself(function: LambdaRuntime) -> None:
    wrong = function.invoke(event("POST", "/auth/login", body=b'{"username": 1}'))
    assert (wrong["statusCode"], json.loads(_body(wrong))) == (400, {"error": "`username` must be a string."})
    document = function.invoke(event("GET", "/api/v1/openapi.json", authorization=""))
    assert json.loads(_body(document))["openapi"] == "3.1.0"
    assert function.invoke(event("GET", "/nowhere"))["statusCode"] == 404


def test_the_template_grants_the_function_its_own_tables_and_queues_only(build: Path) -> None:
    resources = json.loads((build / "sam.json").read_text())["Resources"]
    statements = resources["ApiHandlerRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    for statement in statements:
        assert not any("*" in action for action in _list(statement["Action"]))
        if not str(statement["Action"]).startswith(("['logs", "dynamodb:Scan")):
            own = (
                ":table/slipway-*",
                ":table/slipway-*/index/*",
                ":slipway-commands-*",
                ":${WebsocketAPI}/*/*/@connections/*",
            )
            assert all(resource["Fn::Sub"].endswith(own) for resource in _list(statement["Resource"]))
    tables = [resource for resource in resources.values() if resource["Type"] == "AWS::DynamoDB::Table"]
    assert len(tables) >= 8
    assert all(table["Properties"]["TableName"].startswith("slipway-") for table in tables)
    scanned = [s["Resource"] for s in statements if "dynamodb:Scan" in _list(s["Action"])]
    assert scanned == [{"Fn::GetAtt": ["AgentsTable", "Arn"]}]


def test_the_template_keeps_an_executor_to_its_own_rows_and_queue(build: Path) -> None:
    resources = json.loads((build / "sam.json").read_text())["Resources"]
    statements = resources["ExecutorPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    rows, shared, agents, rules, own_queue, senders, viewers = statements
    assert rows["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/agent}"]}}
    assert "dynamodb:Scan" not in rows["Action"]
    assert "AccessTable" not in _tables(rows["Resource"])
    assert own_queue["Resource"]["Fn::Sub"].endswith(":slipway-commands-${!aws:PrincipalTag/agent}")
    assert (agents["Action"], _tables(agents["Resource"])) == ("dynamodb:Scan", ["AgentsTable"])
    assert rules["Action"] == "dynamodb:Query"
    assert rules["Condition"] == {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["rule"]}}
    assert senders["Resource"] == {"Fn::GetAtt": ["NotificationsQueue", "Arn"]}
    assert "sqs:ReceiveMessage" not in senders["Action"]
    assert viewers["Action"] == "execute-api:ManageConnections"
    tables = {name for name, one in resources.items() if one["Type"] == "AWS::DynamoDB::Table"}
    of_the_api = {"AccessTable", "LimitsTable"}
    assert set(_tables(rows["Resource"])) | set(_tables(shared["Resource"])) == tables - of_the_api


def test_the_template_lets_the_viewers_function_do_its_work_and_no_more(build: Path) -> None:
    resources = json.loads((build / "sam.json").read_text())["Resources"]
    properties = resources["TendViewers"]["Properties"]
    assert (properties["CodeUri"], properties["Handler"]) == ("./deployment.zip", "app.tend_viewers")
    assert properties["Role"] == {"Fn::GetAtt": ["TendViewersRole", "Arn"]}
    (clock,) = properties["Events"].values()
    assert clock["Properties"] == {"Schedule": "rate(1 minute)"}, "whoever sends notifications, it runs"
    assert properties["Timeout"] < 60
    statements = resources["TendViewersRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
    granted = {action: json.dumps(one["Resource"]) for one in statements for action in _list(one["Action"])}
    assert not any("*" in action for action in granted)
    assert {action for action in granted if not action.startswith("logs:")} == {
        *("dynamodb:Scan", "dynamodb:Query", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"),
        *("execute-api:ManageConnections", "sqs:GetQueueUrl", "sqs:SendMessage"),
    }
    assert _tables([one["Resource"] for one in statements if "dynamodb:Scan" in _list(one["Action"])]) == [
        "AgentsTable"
    ]
    assert granted["dynamodb:Query"] == json.dumps({"Fn::GetAtt": ["CommandsTable", "Arn"]})
    assert granted["execute-api:ManageConnections"].endswith(':${WebsocketAPI}/*/*/@connections/*"}')
    assert granted["sqs:SendMessage"].endswith(':slipway-commands-*"}')


def test_the_viewers_function_runs_from_the_bundle(task: Path, libraries: Path, tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        settings = {"AWS_ENDPOINT_URL": store.url, "SLIPWAY_CREATE_TABLES": "true"}
        with LambdaRuntime(task, libraries, "app.tend_viewers", **settings) as function:
            event = {"source": "aws.events", "detail-type": "Scheduled Event", "resources": [], "detail": {}}
            again = {"id": "1", "account": "0", "region": "us-east-1", "version": "0", "time": "2026-01-01T00:00:00Z"}
            assert function.invoke(event | again) == 0


def test_the_template_is_small_enough_for_cloudformation(build: Path) -> None:
    assert (build / "sam.json").stat().st_size < 1_000_000


def test_every_reference_in_the_template_leads_somewhere(build: Path) -> None:
    template = json.loads((build / "sam.json").read_text())
    known = set(template["Resources"]) | set(template["Parameters"])
    for name in _references(template["Resources"]) | _references(template["Outputs"]):
        assert name in known or name.startswith("AWS::"), name
    assert all("Type" in resource for resource in template["Resources"].values())


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tables(resource: Any) -> list[str]:
    return [entry["Fn::GetAtt"][0] for entry in _list(resource) if "Fn::GetAtt" in entry]


def _references(node: Any) -> set[str]:
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    found = {node["Ref"]} if "Ref" in node else set()
    if "Fn::GetAtt" in node:
        found.add(node["Fn::GetAtt"][0])
    return found.union(*map(_references, node.values()))


def test_one_more_agent_gets_a_queue_of_the_same_name_and_kind(build: Path) -> None:
    from chalicelib.config import Settings
    from infra.bundle import ROOT

    agent = yaml.safe_load((ROOT / "infra" / "agent.yaml").read_text())["Resources"]["Commands"]["Properties"]
    local = json.loads((build / "sam.json").read_text())["Resources"]["LocalCommands"]["Properties"]
    assert agent.pop("QueueName") == {"Fn::Sub": f"{Settings().queue_prefix}commands-${{Agent}}"}
    assert local.pop("QueueName") == f"{Settings().queue_prefix}commands-local"
    del agent["RedrivePolicy"]["deadLetterTargetArn"], local["RedrivePolicy"]["deadLetterTargetArn"]
    assert agent == local
