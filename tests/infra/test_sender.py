"""Sending from Lambda: the senders' bundle stands alone, sends for real, and may do no more than that."""

from __future__ import annotations

import json
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chalicelib.adapters.clock import SystemClock
from chalicelib.domain.notice import NoticeState
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.queues import NOTIFICATIONS
from infra.bundle import ROOT
from local_runtime.executor.reporting.herald import Herald
from script.requirements import pins
from tests.builders.api import Api, api_over
from tests.builders.containers import NOW, container, with_update
from tests.infra.lambda_runtime import LambdaRuntime, python
from tests.integration.receivers.broker import mqtt_broker
from tests.integration.receivers.stream import kafka_broker
from tests.integration.receivers.web import Receiver, web_receiver
from tests.store_process import running_store

WEB = with_update(container("web"))


@dataclass
class Cloud:
    """An executor that leaves sending to Lambda, the Lambda's settings, and who receives."""

    api: Api
    herald: Herald
    settings: dict[str, str]
    receiver: Receiver
    woken: list[tuple[str, str]]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with running_store(tmp_path / "store") as store, web_receiver() as receiver:
        settings = {
            "SLIPWAY_NOTIFICATIONS_FROM": "lambda",
            "DD_NOTIFICATION_HTTP_HOOK_URL": f"{receiver.url}/hook",
            "DD_NOTIFICATION_NTFY_PHONE_URL": receiver.url,
            "DD_NOTIFICATION_NTFY_PHONE_TOPIC": "news",
            "DD_ACTION_COMMAND_LOCAL_CMD": "exit 1",
            "DD_ACTION_COMMAND_LOCAL_AUTO": "true",
        }
        with api_over(store.url, **settings) as api:
            api.services.clock = SystemClock()
            woken: list[tuple[str, str]] = []
            api.host.wake = lambda line, about: woken.append((line, about))  # type: ignore[method-assign]
            herald = Herald(api.services, lambda work: work())
            yield Cloud(api, herald, settings | {"AWS_ENDPOINT_URL": store.url}, receiver, woken)


def test_the_sender_holds_no_more_than_it_is_pinned_to_and_less_than_a_fifth_of_what_lambda_takes(build: Path) -> None:
    with zipfile.ZipFile(build / "sender.zip") as archive:
        names = {name.split("/")[0].removesuffix(".py") for name in archive.namelist()}
        assert sum(item.file_size for item in archive.infolist()) < 50_000_000
    assert {"apprise", "httpx", "paho", "kafka", "app", "chalicelib"} <= names
    assert not {"local_runtime", "tests", "infra", "docker", "moto", "fastapi", "boto3", "botocore", "re2"} & names
    assert (build / "sender.zip").stat().st_size < 15_000_000


def test_the_pins_of_the_sender_are_those_of_the_executor() -> None:
    machine, bundle = pins(ROOT / "local_runtime/requirements.txt"), pins(ROOT / "infra/senders.txt")
    assert bundle and bundle.items() <= machine.items()


def test_the_senders_code_imports_from_an_empty_directory_and_loads_libraries_when_they_are_needed(
    sender_task: Path, libraries: Path
) -> None:
    program = (
        "import app, json, sys; early = sorted(sys.modules);"
        "import chalicelib.sending, chalicelib.adapters.notify.apprised, chalicelib.adapters.notify.kafka;"
        "import chalicelib.adapters.notify.mqtt, chalicelib.adapters.notify.web; print(json.dumps(early))"
    )
    process = python(
        sender_task, libraries, "-c", program, AWS_LAMBDA_FUNCTION_NAME="slipway-test", AWS_REGION="us-east-1"
    )
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert not {"apprise", "requests", "kafka", "paho", "httpx"} & set(json.loads(output))


def test_what_an_executor_leaves_is_sent_by_the_function_on_the_queue(
    cloud: Cloud, sender_task: Path, libraries: Path
) -> None:
    cloud.herald.checked([WEB])
    assert cloud.woken == [(NOTIFICATIONS, "local")]
    with (
        mqtt_broker() as broker,
        kafka_broker() as stream,
        LambdaRuntime(
            sender_task,
            libraries,
            "app.notify",
            **cloud.settings,
            DD_NOTIFICATION_MQTT_HA_URL=f"mqtt://127.0.0.1:{broker.port}",
            DD_NOTIFICATION_KAFKA_LOG_BROKERS=f"127.0.0.1:{stream.port}",
        ) as function,
    ):
        assert function.invoke(_batch("local", "local", "nobody")) == {"batchItemFailures": []}
        assert {sent.path.strip("/") for sent in cloud.receiver.requests} == {"hook", ""}
        (hook,) = [sent for sent in cloud.receiver.requests if sent.path == "/hook"]
        (key,) = [sent.headers["idempotency-key"] for sent in [hook]]
        # The command stays for the executor: it runs on its host.
        (left,) = cloud.api.services.outbox.open("local")
        assert (left.trigger, left.state, left.attempts) == ("command.local", NoticeState.WAITING, 0)
        kept = cloud.api.services.outbox.get("local", key)
        assert kept is not None and kept.state is NoticeState.DELIVERED
        assert function.invoke(_batch("local")) == {"batchItemFailures": []}
        assert len(cloud.receiver.requests) == 2


def test_the_clocks_function_sends_what_nobody_was_woken_for(cloud: Cloud, sender_task: Path, libraries: Path) -> None:
    cloud.api.report()
    cloud.herald.ended(Operation("op", WEB.identity, WEB.id, NOW, NOW, Phase.SUCCEEDED, to_version="1.3.0"), WEB)
    with LambdaRuntime(sender_task, libraries, "app.sweep", **cloud.settings) as function:
        event = {"source": "aws.events", "detail-type": "Scheduled Event", "resources": [], "detail": {}}
        assert function.invoke(_scheduled(event)) == 0
        assert cloud.receiver.requests == []
        _tells(cloud.api, "lambda")
        assert function.invoke(_scheduled(event)) == 1
    assert len(cloud.receiver.requests) == 2


def test_a_store_that_does_not_answer_leaves_the_message_in_the_queue(
    cloud: Cloud, sender_task: Path, libraries: Path
) -> None:
    settings = cloud.settings | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    with LambdaRuntime(sender_task, libraries, "app.notify", **settings) as function:
        answer = function.invoke(_batch("local", "attic"))
    assert [one["itemIdentifier"] for one in answer["batchItemFailures"]] == ["message-0", "message-1"]


def test_the_template_lets_senders_do_their_work_and_no_more(build: Path) -> None:
    template = json.loads((build / "sam.json").read_text())
    resources = template["Resources"]
    for function, role in (("Notify", "NotifyRole"), ("Sweep", "SweepRole")):
        properties = resources[function]["Properties"]
        assert properties["CodeUri"] == "./sender.zip"
        assert properties["Role"] == {"Fn::GetAtt": [role, "Arn"]}
        statements = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        assert not any("*" in action for one in statements for action in _list(one["Action"]))
        actions = {action: json.dumps(one["Resource"]) for one in statements for action in _list(one["Action"])}
        assert "dynamodb:DeleteItem" not in actions and "sqs:SendMessage" not in actions
        assert "NotificationsQueue" in actions["sqs:ReceiveMessage"]
        assert "AgentsTable" in actions["dynamodb:Scan"]
        named = {name for name in resources if name.endswith("Table") and name in json.dumps(statements)}
        assert named == {"OutboxTable", "ContainersTable", "AuditTable", "AgentsTable"}
    assert resources["ApiHandlerRole"] != resources["NotifyRole"]
    (source,) = resources["Notify"]["Properties"]["Events"].values()
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    queue = resources["NotificationsQueue"]["Properties"]
    assert source["Properties"]["Queue"]["Fn::Sub"].endswith(f":{queue['QueueName']}")
    assert queue["VisibilityTimeout"] >= 6 * resources["Notify"]["Properties"]["Timeout"]
    assert queue["RedrivePolicy"]["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadNotifications", "Arn"]}
    (clock,) = resources["Sweep"]["Properties"]["Events"].values()
    assert clock["Properties"]["State"] == {"Fn::If": ["SentFromLambda", "ENABLED", "DISABLED"]}
    assert "SentFromLambda" in template["Conditions"]


def _tells(api: Api, sent_from: str) -> None:
    agent = api.services.agents.get("local")
    assert agent is not None
    api.services.agents.report(
        type(agent)(agent.name, facts={**agent.facts, "notificationsFrom": sent_from}), api.services.clock.now()
    )


def _batch(*agents: str) -> dict[str, Any]:
    """What Lambda hands over from a queue."""
    return {
        "Records": [
            {"messageId": f"message-{number}", "receiptHandle": "h", "body": agent, "eventSource": "aws:sqs"}
            for number, agent in enumerate(agents)
        ]
    }


def _scheduled(event: dict[str, Any]) -> dict[str, Any]:
    return {"id": "1", "account": "0", "region": "us-east-1", "version": "0", "time": str(time.time()), **event}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
