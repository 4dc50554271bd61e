"""SQS in the embedded store: long polls, visibility, and definitions that outlive the process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.store_tables import fresh_name
from tests.store_process import StoreProcess, running_store, until


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("queues")) as store:
        yield store


@pytest.fixture
def sqs(store: StoreProcess) -> Any:
    return store.client("sqs")


@pytest.fixture
def queue(sqs: Any) -> str:
    return str(sqs.create_queue(QueueName=fresh_name("queue"))["QueueUrl"])


def bodies(answer: dict[str, Any]) -> list[str]:
    return [message["Body"] for message in answer.get("Messages", [])]


def test_the_queue_url_points_back_to_the_store(store: StoreProcess, sqs: Any, queue: str) -> None:
    assert queue.startswith(f"{store.url}/")
    assert sqs.get_queue_url(QueueName=queue.rpartition("/")[2])["QueueUrl"] == queue
    assert queue in sqs.list_queues()["QueueUrls"]


def test_a_message_comes_back_with_its_body_and_attributes(sqs: Any, queue: str) -> None:
    attributes = {
        "text": {"DataType": "String", "StringValue": "é"},
        "blob": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    sqs.send_message(QueueUrl=queue, MessageBody="hello", MessageAttributes=attributes)
    (message,) = sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"])["Messages"]
    assert message["Body"] == "hello"
    assert message["MessageAttributes"] == attributes


def test_a_long_poll_wakes_at_once_when_a_message_is_sent(store: StoreProcess, sqs: Any, queue: str) -> None:
    arrived: list[float] = []

    def wait() -> None:
        answer = store.client("sqs").receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        arrived.append(time.monotonic())
        assert bodies(answer) == ["wake up"]

    waiting = threading.Thread(target=wait)
    waiting.start()
    until(lambda: store.health()["longPolls"] == 1)
    sent = time.monotonic()
    sqs.send_message(QueueUrl=queue, MessageBody="wake up")
    waiting.join(10)
    assert arrived
    assert arrived[0] - sent < 5


def test_forty_long_polls_hold_up_nobody(store: StoreProcess, sqs: Any, queue: str) -> None:
    poller = store.client("sqs")  # botocore clients may be shared by threads

    def wait() -> None:
        poller.receive_message(QueueUrl=queue, WaitTimeSeconds=5)

    waiting = [threading.Thread(target=wait) for _ in range(40)]
    for thread in waiting:
        thread.start()
    other = sqs.create_queue(QueueName=fresh_name("queue"))["QueueUrl"]
    begun = time.monotonic()
    sqs.send_message(QueueUrl=other, MessageBody="x")
    assert bodies(sqs.receive_message(QueueUrl=other)) == ["x"]
    taken = time.monotonic() - begun
    for thread in waiting:
        thread.join(30)
        assert not thread.is_alive()
    assert taken < 4


def test_an_empty_long_poll_ends_after_its_time(sqs: Any, queue: str) -> None:
    begun = time.monotonic()
    assert bodies(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)) == []
    assert 0.9 < time.monotonic() - begun < 8


def test_a_received_message_is_hidden_until_its_visibility_timeout(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="again")
    assert bodies(sqs.receive_message(QueueUrl=queue, VisibilityTimeout=1)) == ["again"]
    assert bodies(sqs.receive_message(QueueUrl=queue)) == []
    # A long poll notices by itself that the time is up.
    begun = time.monotonic()
    answer = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10, AttributeNames=["ApproximateReceiveCount"])
    assert bodies(answer) == ["again"]
    assert time.monotonic() - begun < 8
    assert answer["Messages"][0]["Attributes"]["ApproximateReceiveCount"] == "2"


def test_a_message_given_back_wakes_a_long_poll(store: StoreProcess, sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="given back")
    handle = sqs.receive_message(QueueUrl=queue)["Messages"][0]["ReceiptHandle"]
    timer = threading.Timer(
        0.5,
        store.client("sqs").change_message_visibility,
        kwargs={"QueueUrl": queue, "ReceiptHandle": handle, "VisibilityTimeout": 0},
    )
    timer.start()
    begun = time.monotonic()
    assert bodies(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)) == ["given back"]
    timer.join()
    assert time.monotonic() - begun < 8


def test_a_delayed_message_arrives_when_it_is_due(sqs: Any, queue: str) -> None:
    sqs.send_message(QueueUrl=queue, MessageBody="later", DelaySeconds=1)
    begun = time.monotonic()
    assert bodies(sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)) == ["later"]
    assert 0.8 < time.monotonic() - begun < 8


def test_deleted_and_purged_messages_are_gone(sqs: Any, queue: str) -> None:
    sqs.send_message_batch(QueueUrl=queue, Entries=[{"Id": str(n), "MessageBody": str(n)} for n in range(5)])
    message = sqs.receive_message(QueueUrl=queue)["Messages"][0]
    sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    assert counts == {"ApproximateNumberOfMessages": "4", "ApproximateNumberOfMessagesNotVisible": "0"}
    sqs.purge_queue(QueueUrl=queue)
    assert bodies(sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)) == []


def test_eight_receivers_share_a_hundred_messages_without_doubles(store: StoreProcess, sqs: Any, queue: str) -> None:
    for start in range(0, 100, 10):
        entries = [{"Id": str(n), "MessageBody": str(n)} for n in range(start, start + 10)]
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    received: list[str] = []

    def take() -> None:
        mine = store.client("sqs")
        while messages := mine.receive_message(QueueUrl=queue, MaxNumberOfMessages=3).get("Messages"):
            for message in messages:
                received.append(message["Body"])
                mine.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert sorted(received, key=int) == [str(n) for n in range(100)]


def test_creating_a_queue_again_gives_the_same_one_unless_it_differs(sqs: Any) -> None:
    name, attributes = fresh_name("queue"), {"VisibilityTimeout": "45"}
    first = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    sqs.send_message(QueueUrl=first, MessageBody="kept")
    assert sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"] == first
    assert sqs.create_queue(QueueName=name)["QueueUrl"] == first
    assert bodies(sqs.receive_message(QueueUrl=first)) == ["kept"]
    with pytest.raises(sqs.exceptions.QueueNameExists):
        sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "46"})


def test_a_queue_that_is_not_there_is_reported_as_aws_reports_it(sqs: Any, queue: str) -> None:
    with pytest.raises(sqs.exceptions.QueueDoesNotExist) as caught:
        sqs.receive_message(QueueUrl=f"{queue}-not")
    assert caught.value.response["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_deleting_a_queue_ends_its_long_polls(store: StoreProcess, sqs: Any, queue: str) -> None:
    mine, ended = store.client("sqs"), threading.Event()

    def wait() -> None:
        with pytest.raises(mine.exceptions.QueueDoesNotExist):
            mine.receive_message(QueueUrl=queue, WaitTimeSeconds=20)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    until(lambda: store.health()["longPolls"] == 1)
    sqs.delete_queue(QueueUrl=queue)
    assert ended.wait(3)


def test_definitions_survive_a_crash_and_the_clients_url_stays_valid(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        sqs = store.client("sqs")
        dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": 2}}'
        # "a" sorts before its dead letter queue, and must still find it when both come back.
        url = sqs.create_queue(
            QueueName="a", Attributes={"VisibilityTimeout": "7", "RedrivePolicy": redrive}, tags={"k": "v"}
        )["QueueUrl"]
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0", "VisibilityTimeout": "9"})
        gone = sqs.create_queue(QueueName="gone")["QueueUrl"]
        sqs.delete_queue(QueueUrl=gone)
        store.restart(same_port=True)
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert attributes["VisibilityTimeout"] == "9"
        assert arn in attributes["RedrivePolicy"]
        assert sqs.list_queue_tags(QueueUrl=url)["Tags"] == {"k": "v"}
        assert sorted(sqs.list_queues()["QueueUrls"]) == sorted([url, dead])
        sqs.send_message(QueueUrl=url, MessageBody="works")
        assert bodies(sqs.receive_message(QueueUrl=url)) == ["works"]
