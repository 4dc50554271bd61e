"""The store's quick reads against stock moto: the same items, pages, counts and errors for random data and requests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from local_runtime.store.journal import Journal
from local_runtime.store.tables import Tables
from tests.builders.store_tables import create_table, fresh_name, index
from tests.store_process import CLIENT, running_store

INDEXES = [
    index("by-g-n", "g", "n"),
    index("by-g", "g"),
    index("by-g-keys", "g", "n", "KEYS_ONLY"),
    index("by-n-some", "n", "s", "INCLUDE", "extra", "m"),
]
INDEX_TYPES = {"g": "S", "n": "N", "s": "S"}
RANGE_TYPES = ("S", "N", "B", None)
MANY = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any]]:
    """A client of our store and one of stock moto."""
    with mock_aws(), running_store(tmp_path_factory.mktemp("same")) as store:
        stock = botocore.session.Session().create_client(
            "dynamodb",
            region_name="us-east-1",
            aws_access_key_id="dummy",
            aws_secret_access_key="dummy",
            config=CLIENT,
        )
        yield store.client("dynamodb"), stock


def normal(value: Any) -> Any:
    """An answer without what may differ: request ids, the spelling of numbers, the order of sets."""
    if isinstance(value, dict):
        if len(value) == 1:
            ((kind, content),) = value.items()
            if kind == "N" and isinstance(content, str):
                return {"N": Decimal(content)}
            if kind == "NS":
                return {"NS": sorted(map(Decimal, content))}
            if kind in ("SS", "BS"):
                return {kind: sorted(content)}
        return {name: normal(part) for name, part in value.items() if name != "ResponseMetadata"}
    if isinstance(value, list):
        return [normal(part) for part in value]
    return value


def answer(client: Any, operation: str, request: dict[str, Any]) -> Any:
    try:
        return normal(getattr(client, operation)(**request))
    except ClientError as error:
        return {"code": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}


def same(both: tuple[Any, Any], operation: str, **request: Any) -> Any:
    ours = answer(both[0], operation, request)
    try:
        stock = answer(both[1], operation, request)
    except (TypeError, ValueError, KeyError, AttributeError):
        # Stock moto stumbles over a few requests, such as a projection into a scalar; ours says so in DynamoDB's terms.
        assert ours["code"] == "ValidationException"
        return ours
    assert ours == stock, (operation, request)
    return ours


def same_pages(both: tuple[Any, Any], operation: str, **request: Any) -> list[Any]:
    """All pages of a query or scan, each compared; the items."""
    items: list[Any] = []
    for _ in range(60):
        page = same(both, operation, **request)
        items += page.get("Items", [])
        if "LastEvaluatedKey" not in page:  # the last page, or an error both gave
            return items
        request["ExclusiveStartKey"] = getattr(both[0], operation)(**request)["LastEvaluatedKey"]
    raise AssertionError("no end of pages")


numbers = st.sampled_from(
    ["0", "1", "-1", "1.0", "10", "2", "1E3", "0.5", "-12.25", "12345678901234567890123456789012345678"]
)
texts = st.text(alphabet="ab\u00e9\u4e2d\U0001f600 .#", min_size=1, max_size=4)
blobs = st.binary(min_size=1, max_size=5)
scalars = st.one_of(
    texts.map(lambda s: {"S": s}),
    st.just({"S": ""}),
    numbers.map(lambda n: {"N": n}),
    blobs.map(lambda b: {"B": b}),
    st.booleans().map(lambda b: {"BOOL": b}),
    st.just({"NULL": True}),
    st.sets(texts, min_size=1, max_size=3).map(lambda v: {"SS": sorted(v)}),
    st.sets(st.sampled_from(["1", "2", "3.5"]), min_size=1).map(lambda v: {"NS": sorted(v)}),
    st.sets(blobs, min_size=1, max_size=2).map(lambda v: {"BS": sorted(v)}),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: {"L": v}),
        st.dictionaries(texts, inner, max_size=3).map(lambda v: {"M": v}),
    ),
    max_leaves=6,
)
KEY_VALUES = {
    "S": st.sampled_from(["a", "ab", "abc", "b", "é", "\U0001f600", "\uffff"]).map(lambda s: {"S": s}),
    "N": st.sampled_from(["-3", "0", "1", "2", "10", "2.5", "1E2"]).map(lambda n: {"N": n}),
    "B": st.sampled_from([b"\x00", b"\x00\x01", b"a", b"\xff", b"ab"]).map(lambda b: {"B": b}),
}


def items_for(range_type: str | None) -> st.SearchStrategy[dict[str, Any]]:
    required = {"pk": st.sampled_from(["p", "q", "r"]).map(lambda s: {"S": s})}
    if range_type:
        required["sk"] = KEY_VALUES[range_type]
    optional = {
        "g": st.sampled_from(["x", "y"]).map(lambda s: {"S": s}),
        "n": KEY_VALUES["N"],
        "s": KEY_VALUES["S"],
        "extra": values,
        "m": values,
        "status": scalars,
    }
    return st.fixed_dictionaries(required, optional=optional)


filters = st.sampled_from(
    [
        None,
        "attribute_exists(extra)",
        "attribute_not_exists(#st)",
        "#st = :one OR n > :one",
        "n BETWEEN :zero AND :ten",
        "begins_with(s, :a)",
        "contains(extra, :a)",
        "attribute_type(extra, :type)",
        "NOT (n IN (:one, :ten)) AND attribute_exists(g)",
        "m.a = :a",
        "size(pk) > :zero",
    ]
)
FILTER_VALUES = {
    ":one": {"N": "1"},
    ":zero": {"N": "0"},
    ":ten": {"N": "10"},
    ":a": {"S": "a"},
    ":type": {"S": "M"},
}
projections = st.sampled_from(
    [None, "pk", "pk, n", "extra", "#st, s", "missing", "m.a", "extra[0]", "pk, pk", "size", "n, m.a.b, g"]
)


def with_expressions(request: dict[str, Any], filter_: str | None, projection: str | None) -> dict[str, Any]:
    names: dict[str, str] = {}
    if filter_:
        request["FilterExpression"] = filter_
        used = {name: value for name, value in FILTER_VALUES.items() if name in filter_}
        if used:
            request["ExpressionAttributeValues"] = {**request.get("ExpressionAttributeValues", {}), **used}
    if projection:
        request["ProjectionExpression"] = projection
    if "#st" in f"{filter_}{projection}":
        names["#st"] = "status"
    if "#k" in request.get("KeyConditionExpression", ""):
        names["#k"] = "sk"
    if names:
        request["ExpressionAttributeNames"] = names
    return request


range_conditions = st.sampled_from(
    [
        "",
        " AND {k} = :lo",
        " AND {k} < :lo",
        " AND {k} <= :lo",
        " AND {k} > :lo",
        " and {k} >= :lo",
        " AND {k} BETWEEN :lo AND :hi",
        " AND begins_with({k}, :lo)",
    ]
)


def filled(both: tuple[Any, Any], range_type: str | None, items: list[dict[str, Any]]) -> str:
    name = fresh_name("same")
    distinct = {repr((item["pk"], normal(item.get("sk")))): item for item in items}
    for client in both:
        create_table(client, name, range_type=range_type, indexes=INDEXES, further=INDEX_TYPES)
        for start in range(0, len(distinct), 25):
            puts = [{"PutRequest": {"Item": item}} for item in [*distinct.values()][start : start + 25]]
            client.batch_write_item(RequestItems={name: puts})
    return name


@given(data=st.data(), range_type=st.sampled_from(RANGE_TYPES))
@MANY
def test_queries_of_a_table_answer_as_stock_moto_does(both: tuple[Any, Any], data: Any, range_type: str | None) -> None:
    table = filled(both, range_type, data.draw(st.lists(items_for(range_type), max_size=12)))
    for _ in range(4):
        condition = data.draw(range_conditions) if range_type else ""
        if "begins_with" in condition and range_type == "N":
            condition = ""
        request: dict[str, Any] = {
            "TableName": table,
            "KeyConditionExpression": "pk = :pk" + condition.format(k=data.draw(st.sampled_from(["sk", "#k"]))),
            "ExpressionAttributeValues": {":pk": {"S": data.draw(st.sampled_from(["p", "q", "none"]))}},
        }
        for bound in (":lo", ":hi"):
            if bound in condition:
                request["ExpressionAttributeValues"][bound] = data.draw(KEY_VALUES[range_type or "S"])
        request |= data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "Limit": st.integers(1, 6),
                    "ScanIndexForward": st.booleans(),
                    "ConsistentRead": st.booleans(),
                    "Select": st.sampled_from(["COUNT", "ALL_ATTRIBUTES"]),
                    "ReturnConsumedCapacity": st.sampled_from(["TOTAL", "INDEXES", "NONE"]),
                },
            )
        )
        same_pages(both, "query", **with_expressions(request, data.draw(filters), data.draw(projections)))


@given(data=st.data(), range_type=st.sampled_from(RANGE_TYPES))
@MANY
def test_queries_of_an_index_answer_as_stock_moto_does(
    both: tuple[Any, Any], data: Any, range_type: str | None
) -> None:
    table = filled(both, range_type, data.draw(st.lists(items_for(range_type), max_size=12)))
    for used in INDEXES:
        hash_name = used["KeySchema"][0]["AttributeName"]
        request: dict[str, Any] = {
            "TableName": table,
            "IndexName": used["IndexName"],
            "KeyConditionExpression": f"{hash_name} = :h",
            "ExpressionAttributeValues": {":h": data.draw(KEY_VALUES["N"]) if hash_name == "n" else {"S": "x"}},
        }
        if len(used["KeySchema"]) > 1:
            range_name = used["KeySchema"][1]["AttributeName"]
            condition = data.draw(range_conditions)
            if "begins_with" in condition and range_name == "n":
                condition = ""
            request["KeyConditionExpression"] += condition.format(k=range_name)
            for bound in (":lo", ":hi"):
                if bound in condition:
                    request["ExpressionAttributeValues"][bound] = data.draw(KEY_VALUES[INDEX_TYPES[range_name]])
        request |= data.draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "Limit": st.integers(1, 6),
                    "ScanIndexForward": st.booleans(),
                    "ConsistentRead": st.booleans(),
                },
            )
        )
        same_pages(both, "query", **with_expressions(request, data.draw(filters), data.draw(projections)))


@given(data=st.data(), range_type=st.sampled_from(RANGE_TYPES))
@MANY
def test_scans_and_gets_answer_as_stock_moto_does(both: tuple[Any, Any], data: Any, range_type: str | None) -> None:
    table = filled(both, range_type, data.draw(st.lists(items_for(range_type), max_size=12)))
    request: dict[str, Any] = {"TableName": table}
    request |= data.draw(
        st.fixed_dictionaries({}, optional={"Limit": st.integers(1, 6), "ConsistentRead": st.booleans()})
    )
    same_pages(both, "scan", **with_expressions(request, data.draw(filters), data.draw(projections)))
    keys = []
    for _ in range(3):
        key = {"pk": {"S": data.draw(st.sampled_from(["p", "q", "none"]))}}
        if range_type:
            key["sk"] = data.draw(KEY_VALUES[range_type])
        keys.append(key)
        same(both, "get_item", **with_expressions({"TableName": table, "Key": key}, None, data.draw(projections)))
    same(both, "batch_get_item", RequestItems={table: {"Keys": keys}})
    same(both, "transact_get_items", TransactItems=[{"Get": {"TableName": table, "Key": key}} for key in keys])


updates = st.sampled_from(
    [
        ("SET n = :one", {":one": {"N": "1"}}),
        ("SET n = if_not_exists(n, :one) + :one", {":one": {"N": "1"}}),
        ("REMOVE extra, g", {}),
        ("ADD n :one", {":one": {"N": "1"}}),
        ("SET extra = list_append(:l, :l) REMOVE m", {":l": {"L": [{"S": "x"}]}}),
        ("SET m.a = :one", {":one": {"N": "1"}}),
        ("SET pk = :s", {":s": {"S": "other"}}),
        ("SET a = missing", {}),
        ("SET b = :b", {":b": {"B": b"\x00\xfe"}}),
    ]
)
conditions = st.sampled_from([None, "attribute_exists(pk)", "attribute_not_exists(pk)", "attribute_exists(extra)"])
RETURNED = st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"])


@given(data=st.data(), range_type=st.sampled_from(("S", None)))
@MANY
def test_writes_answer_and_leave_what_stock_moto_does(both: tuple[Any, Any], data: Any, range_type: str | None) -> None:
    table = filled(both, range_type, data.draw(st.lists(items_for(range_type), max_size=5)))
    for _ in range(6):
        item = data.draw(items_for(range_type))
        key = {name: item[name] for name in ("pk", "sk") if name in item}
        request: dict[str, Any] = {"TableName": table}
        if condition := data.draw(conditions):
            request["ConditionExpression"] = condition
        operation = data.draw(st.sampled_from(["put_item", "update_item", "delete_item"]))
        if operation == "put_item":
            same(both, operation, **request, Item=item, ReturnValues=data.draw(st.sampled_from(["NONE", "ALL_OLD"])))
        elif operation == "delete_item":
            same(both, operation, **request, Key=key, ReturnValues=data.draw(st.sampled_from(["NONE", "ALL_OLD"])))
        else:
            expression, used = data.draw(updates)
            if used:
                request["ExpressionAttributeValues"] = used
            request |= {"Key": key, "UpdateExpression": expression, "ReturnValues": data.draw(RETURNED)}
            existing = both[1].get_item(TableName=table, Key=key).get("Item")
            if "code" in same(both, operation, **request):  # stock moto may have stored half of a failed update
                restore(both[1], table, key, existing)
    same_pages(both, "scan", TableName=table)


def restore(client: Any, table: str, key: dict[str, Any], item: dict[str, Any] | None) -> None:
    if item is None:
        client.delete_item(TableName=table, Key=key)
    else:
        client.put_item(TableName=table, Item=item)


def test_pages_end_at_a_megabyte_as_stock_moto_ends_them(both: tuple[Any, Any]) -> None:
    blob = b"x" * 99_000
    items = [
        {"pk": {"S": "p"}, "sk": {"S": f"{n:02}"}, "g": {"S": "x"}, "n": {"N": str(n)}, "b": {"B": blob}}
        for n in range(25)
    ]
    table = filled(both, "S", [])
    for client in both:
        for item in items:
            client.put_item(TableName=table, Item=item)
    values = {":p": {"S": "p"}}
    for further in (
        {},
        {"ScanIndexForward": False},
        {"FilterExpression": "n > :p", "ExpressionAttributeValues": values},
    ):
        request = {
            "TableName": table,
            "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": values,
            **further,
        }
        if "FilterExpression" in further:
            request["FilterExpression"] = "attribute_not_exists(b)"
        same_pages(both, "query", **request)
    page = both[0].query(TableName=table, KeyConditionExpression="pk = :p", ExpressionAttributeValues=values)
    assert page["Count"] == 10
    same_pages(
        both,
        "query",
        TableName=table,
        IndexName="by-g",
        KeyConditionExpression="g = :p",
        ExpressionAttributeValues={":p": {"S": "x"}},
    )
    assert len(same_pages(both, "scan", TableName=table)) == 25


V = {":v": {"S": "v"}}
KEY = {"pk": {"S": "p"}, "sk": {"S": "a"}}
MISTAKES: list[tuple[str, dict[str, Any]]] = [
    ("get_item", {"TableName": "absent", "Key": {"pk": {"S": "p"}}}),
    ("get_item", {"Key": {"pk": {"S": "p"}}}),
    ("get_item", {"Key": {"pk": {"S": ""}, "sk": {"S": "a"}}}),
    ("get_item", {"Key": {"pk": {"S": "p"}, "sk": {"S": "a"}, "more": {"S": "x"}}}),
    ("get_item", {"Key": KEY, "ProjectionExpression": "name"}),
    ("get_item", {"Key": KEY, "ExpressionAttributeNames": {"#a": "a"}}),
    (
        "get_item",
        {
            "Key": KEY,
            "ProjectionExpression": "a",
            "ExpressionAttributeNames": {"#b": "b"},
        },
    ),
    ("query", {"KeyConditionExpression": "sk = :v", "ExpressionAttributeValues": V}),
    ("query", {"KeyConditionExpression": "pk > :v", "ExpressionAttributeValues": V}),
    ("query", {"KeyConditionExpression": "pk = :v", "ExpressionAttributeValues": {":v": {"S": ""}}}),
    ("query", {"KeyConditionExpression": "pk = :v AND other = :v", "ExpressionAttributeValues": V}),
    ("query", {"IndexName": "absent", "KeyConditionExpression": "pk = :v", "ExpressionAttributeValues": V}),
    (
        "query",
        {
            "IndexName": "by-g",
            "ConsistentRead": True,
            "KeyConditionExpression": "g = :v",
            "ExpressionAttributeValues": V,
        },
    ),
    ("query", {"KeyConditionExpression": "pk = :v", "FilterExpression": "", "ExpressionAttributeValues": V}),
    ("query", {"KeyConditionExpression": "pk = :v", "FilterExpression": "name = :v", "ExpressionAttributeValues": V}),
    (
        "query",
        {
            "KeyConditionExpression": "pk = :v",
            "ExpressionAttributeNames": {"#n": "n"},
            "ExpressionAttributeValues": V,
        },
    ),
    ("query", {}),
    ("scan", {"Segment": 3, "TotalSegments": 2}),
    ("put_item", {"Item": {"pk": {"S": "p"}}}),
    ("put_item", {"Item": {"pk": {"N": "1"}, "sk": {"S": "a"}}}),
    ("put_item", {"Item": {"pk": {"S": ""}, "sk": {"S": "a"}}}),
    ("put_item", {"Item": {"pk": {"S": "p"}, "sk": {"S": "a"}, "n": {"N": "ten"}}}),
    ("put_item", {"Item": {"pk": {"S": "p"}, "sk": {"S": "x" * 1025}}}),
    ("put_item", {"Item": {"pk": {"S": "p"}, "sk": {"S": "a"}, "b": {"B": b"x" * 420_000}}}),
    ("update_item", {"Key": KEY, "UpdateExpression": "SET"}),
    ("update_item", {"Key": KEY, "UpdateExpression": "SET name = :v", "ExpressionAttributeValues": V}),
    ("delete_item", {"Key": {"pk": {"S": "p"}}}),
]


@pytest.mark.parametrize(("operation", "request_"), MISTAKES)
def test_mistakes_get_the_error_stock_moto_gives(
    both: tuple[Any, Any], operation: str, request_: dict[str, Any]
) -> None:
    table = filled(both, "S", [{"pk": {"S": "p"}, "sk": {"S": "a"}}])
    wrong = same(both, operation, **{"TableName": table, **request_})
    assert "code" in wrong


def test_a_request_moto_trips_over_is_the_callers_mistake_and_not_worth_a_retry(both: tuple[Any, Any]) -> None:
    table = filled(both, "S", [{"pk": {"S": "p"}, "sk": {"S": "a"}}])
    for request in (
        {"FilterExpression": "n = :missing"},
        {"FilterExpression": "size(n) > :v", "ExpressionAttributeValues": {":v": {"N": "1"}}},
    ):
        assert answer(both[0], "scan", {"TableName": table, **request})["code"] == "ValidationException"


def test_what_moto_accepts_and_dynamodb_refuses_is_refused(both: tuple[Any, Any]) -> None:
    client, _ = both
    table = filled(both, "S", [])
    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    puts = [{"PutRequest": {"Item": {"pk": {"S": "p"}, "sk": {"S": str(n)}}}} for n in range(26)]
    keys = [put["PutRequest"]["Item"] for put in puts] * 4
    for operation, request in (
        ("batch_write_item", {"RequestItems": {table: puts}}),
        ("batch_get_item", {"RequestItems": {table: {"Keys": keys}}}),
        ("put_item", {"TableName": table, "Item": {**key, "g": {"N": "1"}}}),
        ("put_item", {"TableName": table, "Item": {**key, "b": {"L": [{"B": b"x" * 205_000}] * 2}}}),
    ):
        assert answer(client, operation, request)["code"] == "ValidationException", operation
    assert same_pages(both, "scan", TableName=table) == []


def query(condition: str, values: dict[str, Any], **further: Any) -> dict[str, Any]:
    return {"TableName": "t", "KeyConditionExpression": condition, "ExpressionAttributeValues": values, **further}


def test_ordinary_reads_do_not_need_moto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    tables = Tables(journal)
    tables.call(
        "CreateTable",
        {
            "TableName": "t",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [
                {"AttributeName": n, "AttributeType": t} for n, t in {"pk": "S", "sk": "S", **INDEX_TYPES}.items()
            ],
            "BillingMode": "PAY_PER_REQUEST",
            "GlobalSecondaryIndexes": INDEXES,
        },
    )
    tables.call(
        "PutItem", {"TableName": "t", "Item": {"pk": {"S": "p"}, "sk": {"S": "a"}, "g": {"S": "x"}, "n": {"N": "1"}}}
    )
    monkeypatch.setattr(tables, "_ask_moto", lambda *_: pytest.fail("moto was asked"))
    key = {"pk": {"S": "p"}, "sk": {"S": "a"}}
    values = {":p": {"S": "p"}, ":a": {"S": "a"}}
    ordinary: list[tuple[str, dict[str, Any]]] = [
        ("GetItem", {"TableName": "t", "Key": key, "ConsistentRead": True, "ReturnConsumedCapacity": "TOTAL"}),
        ("BatchGetItem", {"RequestItems": {"t": {"Keys": [key], "ProjectionExpression": "pk"}}}),
        ("Query", query("pk = :p AND begins_with (sk, :a)", values)),
        ("Query", query("(pk = :p AND sk BETWEEN :a AND :a)", values, Limit=3)),
        ("Query", query("g = :g", {":g": {"S": "x"}}, IndexName="by-g-n")),
        ("Scan", {"TableName": "t", "FilterExpression": "n = :n", "ExpressionAttributeValues": {":n": {"N": "1"}}}),
    ]
    for operation, request in ordinary:
        assert b'"sk"' in tables.call(operation, request) or b'"pk"' in tables.call(operation, request)
    tables.close()
    journal.close()


def test_readers_do_not_wait_for_a_writers_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path)
    tables = Tables(journal)
    tables.call(
        "CreateTable",
        {
            "TableName": "t",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "BillingMode": "PAY_PER_REQUEST",
        },
    )
    committing, release = threading.Event(), threading.Event()
    commit = journal.commit

    def slow(**changes: Any) -> None:
        committing.set()
        assert release.wait(20)
        commit(**changes)

    monkeypatch.setattr(journal, "commit", slow)
    writer = threading.Thread(target=tables.call, args=("PutItem", {"TableName": "t", "Item": {"pk": {"S": "p"}}}))
    writer.start()
    try:
        assert committing.wait(20)
        assert tables.call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "p"}}}) == b"{}"
    finally:
        release.set()
        writer.join(20)
    assert tables.call("GetItem", {"TableName": "t", "Key": {"pk": {"S": "p"}}}) == b'{"Item":{"pk":{"S":"p"}}}'
    journal.close()
