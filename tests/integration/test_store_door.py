"""The store's HTTP side: health, who may speak to it and how, and how it starts and stops."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import localstack_client.session
import pytest

from tests.builders.signed import signed
from tests.builders.store_tables import all_items, create_table, key
from tests.store_process import KEY, ROOT, StoreProcess, running_store, until

JSON_TYPE = "application/x-amz-json-1.0"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("door")) as store:
        yield store


def ask(
    store: StoreProcess, method: str = "POST", path: str = "/", body: str = "{}", **headers: str
) -> tuple[int, bytes]:
    """One request with `Host`, type and target of a proper client, unless `headers` say otherwise."""
    where = urlsplit(store.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    sent = {
        "Host": where.netloc,
        "Content-Type": JSON_TYPE,
        "X-Amz-Target": "DynamoDB_20120810.ListTables",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    try:
        connection.request(method, path, body, signed(body, sent))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(store: StoreProcess, text: bytes) -> bytes:
    where = urlsplit(store.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_health_tells_who_it_is(store: StoreProcess) -> None:
    status, body = ask(store, "GET")
    health = json.loads(body)
    assert status == 200
    assert health["name"] == "slipway-store"
    assert health["pid"] == store.pid
    assert health["uptime"] >= 0
    assert isinstance(health["items"], int)


def test_a_proper_request_is_answered(store: StoreProcess) -> None:
    assert ask(store) == (200, b'{"TableNames":[]}')


@pytest.mark.parametrize("host", ["localhost", "localhost:99", "127.0.0.1", "127.8.8.8:80", "[::1]:80"])
def test_loopback_names_are_answered(store: StoreProcess, host: str) -> None:
    assert ask(store, Host=host)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
)
def test_a_page_that_rebinds_its_name_to_us_is_refused(store: StoreProcess, host: str) -> None:
    assert ask(store, Host=host)[0] == 421
    assert ask(store, "GET", Host=host)[0] == 421


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/x-www-form-urlencoded", ""])
def test_what_a_browser_can_send_without_asking_is_refused(store: StoreProcess, content_type: str) -> None:
    assert ask(store, Content_Type=content_type)[0] == 415


def test_a_browsers_preflight_gets_no_permission(store: StoreProcess) -> None:
    answer = raw(
        store,
        b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n"
        b"Access-Control-Request-Method: POST\r\nConnection: close\r\n\r\n",
    )
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"access-control" not in answer.lower()


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
    ],
)
def test_malformed_requests_are_refused(store: StoreProcess, text: bytes, status: bytes) -> None:
    assert raw(store, text).split()[1] == status
    assert ask(store)[0] == 200


@pytest.mark.parametrize(
    ("target", "body", "kind"),
    [
        ("DynamoDB_20120810.ListTables", "not json", "SerializationException"),
        ("DynamoDB_20120810.ListTables", "[]", "SerializationException"),
        ("DynamoDB_20120810.ExecuteStatement", "{}", "UnknownOperationException"),
        ("DynamoDB_20120810.__init__", "{}", "UnknownOperationException"),
        ("AmazonSQS.AddPermission", "{}", "UnsupportedOperation"),
        ("Other.Thing", "{}", "UnknownOperationException"),
        ("", "{}", "UnknownOperationException"),
    ],
)
def test_what_it_does_not_offer_is_said_so(store: StoreProcess, target: str, body: str, kind: str) -> None:
    status, answer = ask(store, body=body, X_Amz_Target=target)
    assert status == 400
    assert json.loads(answer)["__type"].endswith(f"#{kind}")


def test_many_requests_share_one_connection(store: StoreProcess) -> None:
    where = urlsplit(store.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    for _ in range(50):
        connection.request("GET", "/")
        assert connection.getresponse().read().startswith(b'{"name"')
        first = connection.sock
    assert connection.sock is first
    connection.close()


def test_two_hundred_connections_are_served_at_once(store: StoreProcess) -> None:
    where = urlsplit(store.url)
    connections = [http.client.HTTPConnection(where.hostname or "", where.port, timeout=20) for _ in range(200)]
    for connection in connections:
        connection.request("GET", "/")
    for connection in connections:
        assert connection.getresponse().read()
    for connection in connections:
        connection.request("GET", "/")
        assert connection.getresponse().read()
        connection.close()


def test_a_client_that_is_not_ours_works_against_it(store: StoreProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
    session = localstack_client.session.Session(*KEY)
    dynamodb, sqs = session.client("dynamodb"), session.client("sqs")
    assert dynamodb.meta.endpoint_url == store.url
    table = create_table(dynamodb, "foreign")
    dynamodb.put_item(TableName=table, Item={**key("a"), "n": {"N": "1"}})
    resource = session.resource("dynamodb").Table(table)
    resource.update_item(
        Key={"pk": "a", "sk": "0"}, UpdateExpression="SET n = n + :one", ExpressionAttributeValues={":one": 1}
    )
    assert resource.get_item(Key={"pk": "a", "sk": "0"})["Item"]["n"] == 2
    assert all_items(dynamodb, table) == [{**key("a"), "n": {"N": "2"}}]
    queue = sqs.create_queue(QueueName="foreign")["QueueUrl"]
    sqs.send_message(QueueUrl=queue, MessageBody="hi")
    assert sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=1)["Messages"][0]["Body"] == "hi"
    dynamodb.delete_table(TableName=table)


def run(*arguments: str) -> Any:
    command = [sys.executable, "-m", "local_runtime.store", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_others_can_reach_needs_consent(tmp_path: Path, host: str) -> None:
    result = run("--data", str(tmp_path), "--host", host)
    assert result.returncode == 2
    assert "--allow-remote" in result.stderr


def test_with_consent_it_listens_everywhere_and_still_checks_names(tmp_path: Path) -> None:
    with running_store(tmp_path, "--host", "0.0.0.0", "--allow-remote", "--allow-host", "store") as store:
        assert ask(store, Host="store:8000")[0] == 200
        assert ask(store, Host="evil.example")[0] == 421


def test_a_taken_port_is_reported(tmp_path: Path, store: StoreProcess) -> None:
    port = str(urlsplit(store.url).port)
    result = run("--data", str(tmp_path), "--port", port)
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in result.stderr


def test_the_ready_file_holds_the_url(tmp_path: Path) -> None:
    with running_store(tmp_path / "data", "--ready-file", str(tmp_path / "ready")) as store:
        assert (tmp_path / "ready").read_text() == f"{store.url}\n"
        assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["ready"]


def test_it_stops_within_a_second_even_with_long_polls_open(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        queue = store.client("sqs").create_queue(QueueName="q")["QueueUrl"]
        answers: list[Any] = []
        poller = store.client("sqs")

        def wait() -> None:
            answers.append(poller.receive_message(QueueUrl=queue, WaitTimeSeconds=20))

        waiting = [threading.Thread(target=wait) for _ in range(10)]
        for thread in waiting:
            thread.start()
        until(lambda: store.health()["longPolls"] == 10)
        begun = time.monotonic()
        assert store.stop() == 0
        assert time.monotonic() - begun < 10
        for thread in waiting:
            thread.join(10)
        assert [answer["ResponseMetadata"]["HTTPStatusCode"] for answer in answers] == [200] * 10


def test_connections_that_show_no_key_keep_nobody_out_and_one_that_did_stays(store: StoreProcess) -> None:
    where = urlsplit(store.url)
    host, port = where.hostname or "", where.port or 0
    sent = {"Host": where.netloc, "Content-Type": JSON_TYPE, "X-Amz-Target": "DynamoDB_20120810.ListTables"}
    proven = http.client.HTTPConnection(host, port, timeout=20)
    proven.request("POST", "/", "{}", signed("{}", sent))
    assert proven.getresponse().read()
    kept = proven.sock
    strangers = [socket.create_connection((host, port), timeout=20) for _ in range(300)]
    try:
        strangers[-1].sendall(b"POST / HTTP/1.1\r\n")
        assert ask(store)[0] == 200
        proven.request("POST", "/", "{}", signed("{}", sent))
        assert proven.getresponse().read()
        assert proven.sock is kept
    finally:
        for stranger in strangers:
            stranger.close()
        proven.close()
