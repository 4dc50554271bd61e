"""Who may use the store: nobody without its key, which only the user who runs it can read."""

from __future__ import annotations

import http.client
import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local_runtime.store.key import KEY_FILE, UnusableKey, kept_key
from tests.builders.signed import signed
from tests.store_process import KEY, StoreProcess, running_store

LIST = "DynamoDB_20120810.ListTables"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreProcess]:
    with running_store(tmp_path_factory.mktemp("key")) as store:
        yield store


def plain(store: StoreProcess, target: str = LIST) -> dict[str, str]:
    """The headers of a request that nobody has signed."""
    return {"Host": urlsplit(store.url).netloc, "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": target}


def told(store: StoreProcess, headers: dict[str, str], body: str = "{}", path: str = "/") -> tuple[int, str]:
    """Status, and the kind of error if it is one."""
    where = urlsplit(store.url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        content = json.loads(answer.read() or b"{}")
        return answer.status, str(content.get("__type", "")).rpartition("#")[2]
    finally:
        connection.close()


def test_a_request_that_is_not_signed_is_refused(store: StoreProcess) -> None:
    assert told(store, plain(store)) == (400, "MissingAuthenticationTokenException")


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (("slipway", "slipway"), "UnrecognizedClientException"),
        ((KEY[0], "another secret"), "InvalidSignatureException"),
        ((KEY[0].upper(), KEY[1]), "UnrecognizedClientException"),
    ],
)
def test_another_key_is_refused(store: StoreProcess, key: tuple[str, str], kind: str) -> None:
    assert told(store, signed("{}", plain(store), key=key)) == (400, kind)


def test_a_body_that_was_changed_is_refused(store: StoreProcess) -> None:
    headers = signed('{"Limit":1}', plain(store))
    assert told(store, headers, '{"Limit":1}')[0] == 200
    assert told(store, headers, '{"Limit":2}') == (400, "InvalidSignatureException")


def test_an_operation_that_was_changed_is_refused(store: StoreProcess) -> None:
    headers = signed("{}", plain(store)) | {"X-Amz-Target": "DynamoDB_20120810.DeleteTable"}
    assert told(store, headers) == (400, "InvalidSignatureException")


def test_an_operation_that_was_never_signed_is_refused(store: StoreProcess) -> None:
    headers = plain(store)
    target = headers.pop("X-Amz-Target")
    assert told(store, signed("{}", headers) | {"X-Amz-Target": target}) == (400, "IncompleteSignatureException")


def test_a_signature_for_the_queue_opens_no_table(store: StoreProcess) -> None:
    assert told(store, signed("{}", plain(store), service="sqs")) == (400, "InvalidSignatureException")


@pytest.mark.parametrize(("minutes", "status"), [(-6, 400), (6, 400), (-4, 200), (4, 200)])
def test_a_signature_holds_for_five_minutes_either_way(store: StoreProcess, minutes: int, status: int) -> None:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    assert told(store, signed("{}", plain(store), at=at))[0] == status


def test_within_that_time_the_same_request_may_come_again(store: StoreProcess) -> None:
    headers = signed("{}", plain(store))
    assert [told(store, headers)[0] for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic dGVzdDp0ZXN0",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=test, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=test/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=00",
        "AWS4-HMAC-SHA256 Credential=test/20260101/r/dynamodb/aws4_request, SignedHeaders=, Signature=00",
        "AWS4-HMAC-SHA256 Credential=t\u00e9st/20260101/r/dynamodb/aws4_request, SignedHeaders=host, Signature=\u00e9",
        "AWS4-HMAC-SHA256 Credential=test/../dynamodb/aws4_request, SignedHeaders=host;none, Signature=00",
    ],
)
def test_a_signature_that_cannot_be_read_is_refused(store: StoreProcess, authorization: str) -> None:
    status, kind = told(store, plain(store) | {"X-Amz-Date": "20260101T000000Z", "Authorization": authorization})
    assert (status, kind.removesuffix("Exception")) in ((400, "IncompleteSignature"), (400, "UnrecognizedClient"))


def test_a_query_which_no_signature_covers_is_not_answered(store: StoreProcess) -> None:
    assert told(store, signed("{}", plain(store)), path="/?Action=Drop")[0] == 404


def test_the_first_start_makes_a_key_that_only_its_user_can_read(tmp_path: Path) -> None:
    made = kept_key(tmp_path)
    file = tmp_path / KEY_FILE
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{made.id}:{made.secret}\n"
    assert len(made.secret) >= 40
    assert made.secret not in repr(made)
    assert kept_key(tmp_path) == made, "the next start finds the same"
    assert [one.name for one in tmp_path.iterdir()] == [KEY_FILE]


def test_a_key_others_could_read_is_hidden_from_them(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("id:secret\n")
    (tmp_path / KEY_FILE).chmod(0o644)
    assert kept_key(tmp_path).id == "id"
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ["", "secret without a name", ":secret", "id:", "id:two\nlines:x"])
def test_a_file_that_is_no_key_is_named_and_not_shown(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(UnusableKey) as refused:
        kept_key(tmp_path)
    assert str(tmp_path / KEY_FILE) in str(refused.value)
    assert "secret without" not in str(refused.value)


def test_a_data_directory_of_before_goes_on_with_a_new_key(tmp_path: Path) -> None:
    with running_store(tmp_path) as store:
        store.client("dynamodb").create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        store.kill()
        (tmp_path / KEY_FILE).unlink()
        made = kept_key(tmp_path)
        store.restart()
        assert told(store, signed("{}", plain(store), key=(made.id, made.secret)))[0] == 200
        assert told(store, signed("{}", plain(store)))[0] == 400
