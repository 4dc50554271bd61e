"""TTL in the embedded store: expired items go, durably, and nothing else does."""

from __future__ import annotations

import time
from pathlib import Path

from tests.builders.store_tables import all_items, create_table, index, key
from tests.store_process import running_store, until

YEAR = 365 * 24 * 3600


def test_expired_items_go_durably_and_all_others_stay(tmp_path: Path) -> None:
    with running_store(tmp_path, "--sweep-seconds", "0.2") as store:
        client = store.client("dynamodb")
        table = create_table(client, indexes=[index("by-g", "g")], further={"g": "S"})
        without = create_table(client)
        now = int(time.time())
        for number in range(60):
            client.put_item(
                TableName=table, Item={**key("old", str(number)), "g": {"S": "g"}, "expires": {"N": str(now - 5)}}
            )
        kept = [
            {**key("later"), "expires": {"N": str(now + 3600)}},
            {**key("never")},
            {**key("text"), "expires": {"S": str(now - 5)}},
            {**key("ancient"), "expires": {"N": str(now - 6 * YEAR)}},
        ]
        for item in kept:
            client.put_item(TableName=table, Item=item)
        client.put_item(TableName=without, Item={**key("old"), "expires": {"N": str(now - 5)}})
        time.sleep(0.5)
        assert len(all_items(client, table)) == 64  # nothing goes before TTL is enabled
        client.update_time_to_live(
            TableName=table, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"}
        )
        until(lambda: len(all_items(client, table)) == 4)
        in_index = client.query(
            TableName=table,
            IndexName="by-g",
            KeyConditionExpression="g = :g",
            ExpressionAttributeValues={":g": {"S": "g"}},
        )
        assert in_index["Count"] == 0
        store.restart()
        client = store.client("dynamodb")
        assert sorted(item["pk"]["S"] for item in all_items(client, table)) == ["ancient", "later", "never", "text"]
        assert len(all_items(client, without)) == 1


def test_an_item_renewed_between_look_and_deletion_stays(tmp_path: Path) -> None:
    from local_runtime.store.journal import Journal
    from local_runtime.store.tables import Tables

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
    tables.call(
        "UpdateTimeToLive",
        {"TableName": "t", "TimeToLiveSpecification": {"Enabled": True, "AttributeName": "expires"}},
    )
    for name in ("renewed", "expired"):
        tables.call("PutItem", {"TableName": "t", "Item": {"pk": {"S": name}, "expires": {"N": "1000"}}})
    slots = tables.expired(2000)["t"]
    assert len(slots) == 2
    tables.call("PutItem", {"TableName": "t", "Item": {"pk": {"S": "renewed"}, "expires": {"N": "9000"}}})
    assert tables.expire("t", slots, 2000) == 1
    assert tables.call("Scan", {"TableName": "t", "ProjectionExpression": "pk"}) == (
        b'{"Count":1,"ScannedCount":1,"Items":[{"pk":{"S":"renewed"}}]}'
    )
    journal.close()
