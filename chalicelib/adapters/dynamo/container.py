"""Containers in DynamoDB, by the plain client: facts and document side by side in one item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.changes import CONTAINERS, announce
from chalicelib.adapters.dynamo.models import ContainerModel, Tables
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Unavailable
from chalicelib.wire import container as wire
from chalicelib.wire import json

_BATCH = 25
_ROUNDS = 8


class DynamoContainers:
    """The executor's side: it is the one writer of its agent's containers."""

    def __init__(self, tables: Tables) -> None:
        self._client = tables.client
        self._table = tables.name(ContainerModel)

    def get(self, identity: Identity) -> Container | None:
        """The container of this identity."""
        with translated(f"container {identity.name}"):
            answer = self._client.get_item(TableName=self._table, Key=_key(identity), ConsistentRead=True)
        return _read(answer["Item"]) if "Item" in answer else None

    def of_watcher(self, agent: str, watcher: str) -> list[Container]:
        """Every stored container of one watcher."""
        with translated(f"containers of {agent}"):
            items = pages(
                self._client.query,
                TableName=self._table,
                ConsistentRead=True,
                KeyConditionExpression="agent = :a AND begins_with(#k, :w)",
                ExpressionAttributeNames={"#k": "key"},
                ExpressionAttributeValues={":a": {"S": agent}, ":w": {"S": f"{watcher}/"}},
            )
            return [_read(item) for item in items]

    def save(self, containers: Iterable[Container]) -> None:
        """Put these containers, whole, and let readers know."""
        puts = [(container.identity.agent, {"PutRequest": {"Item": _item(container)}}) for container in containers]
        self._write(puts)

    def remove(self, identities: Iterable[Identity]) -> None:
        """Forget these containers, and let readers know."""
        self._write([(identity.agent, {"DeleteRequest": {"Key": _key(identity)}}) for identity in identities])

    def _write(self, requests: list[tuple[str, dict[str, Any]]]) -> None:
        with translated("containers"):
            for start in range(0, len(requests), _BATCH):
                self._write_batch([request for _, request in requests[start : start + _BATCH]])
        for agent in {agent for agent, _ in requests}:
            announce(agent, CONTAINERS)

    def _write_batch(self, requests: list[dict[str, Any]]) -> None:
        for attempt in range(_ROUNDS):
            answer = self._client.batch_write_item(RequestItems={self._table: requests})
            requests = answer.get("UnprocessedItems", {}).get(self._table, [])
            if not requests:
                return
            time.sleep(min(0.05 * 2**attempt, 2.0))
        raise Unavailable(f"the store left {len(requests)} containers unwritten; they are tried again at the next scan")


def pages(read: Callable[..., Any], **query: Any) -> Iterator[dict[str, Any]]:
    """Every item of a query or scan of the plain client, over as many pages as it takes."""
    while True:
        answer = read(**query)
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def _key(identity: Identity) -> dict[str, Any]:
    return {"agent": {"S": identity.agent}, "key": {"S": identity.key}}


def _item(container: Container) -> dict[str, Any]:
    return {
        **_key(container.identity),
        "facts": {"B": json.dumps(wire.facts(container))},
        "document": {"B": blob.pack(wire.document(container))},
    }


def _read(item: dict[str, Any]) -> Container:
    identity = Identity.of(item["agent"]["S"], item["key"]["S"])
    return wire.read_container(identity, json.loads(item["facts"]["B"]), blob.unpack(item["document"]["B"]))
