"""Reads answered from the shelf, without moto's copying and serializing; the same answers, proven against moto.

Anything out of the ordinary raises NotCovered, and moto answers it, its error messages included.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from typing import Any

from moto.dynamodb.comparisons import get_filter_expression
from moto.dynamodb.responses import ProjectionExpressionParser, validate_attributes_used

from local_runtime.store.conditions import parse
from local_runtime.store.faults import NotCovered
from local_runtime.store.pages import Page, turn
from local_runtime.store.shelf import Image, Ordering, Shelf
from local_runtime.store.values import NotAKey, SortKey, encoded, key_value, plain

BATCH_GET_LIMIT = 100
TRANSACT_GET_LIMIT = 100
RESPONSE_LIMIT = 16 * 1024 * 1024

_GET = {
    "TableName",
    "Key",
    "ConsistentRead",
    "ProjectionExpression",
    "ExpressionAttributeNames",
    "ReturnConsumedCapacity",
}
_BATCH_GET = {"Keys", "ConsistentRead", "ProjectionExpression", "ExpressionAttributeNames"}
_SCAN = {
    "TableName", "ConsistentRead", "FilterExpression", "ProjectionExpression", "ExpressionAttributeNames",
    "ExpressionAttributeValues", "Limit", "ExclusiveStartKey", "Select", "ReturnConsumedCapacity",
}  # fmt: skip
_QUERY = _SCAN | {"IndexName", "KeyConditionExpression", "ScanIndexForward"}

_TOP_LEVEL = re.compile(r"[^\[\]]+")

Project = Callable[[Image], bytes]


class Reads:
    """The operations in `offered`: request (binary decoded) to answer body. Raises NotCovered, or moto's own errors."""

    def __init__(self, shelves: Mapping[str, Shelf], lock: threading.Lock):
        self._shelves = shelves
        self._lock = lock
        self.offered: dict[str, Callable[[dict[str, Any]], bytes]] = {
            "GetItem": self.get_item,
            "BatchGetItem": self.batch_get_item,
            "TransactGetItems": self.transact_get_items,
            "Query": self.query,
            "Scan": self.scan,
        }

    def _shelf(self, request: Mapping[str, Any]) -> Shelf:
        shelf = self._shelves.get(request.get("TableName", ""))
        if shelf is None:
            raise NotCovered("table")
        return shelf

    def get_item(self, request: dict[str, Any]) -> bytes:
        _only(request, _GET)
        shelf = self._shelf(request)
        key = _whole_key(shelf, request.get("Key"))
        project = _projection(request)
        with self._lock:
            image = shelf.main.images.get(key)
        parts = [b'"Item":' + project(image)] if image else []
        return _answer(parts, request, 0.5)

    def batch_get_item(self, request: dict[str, Any]) -> bytes:
        _only(request, {"RequestItems", "ReturnConsumedCapacity"})
        asked = []
        for name, wanted in request["RequestItems"].items():
            _only(wanted, _BATCH_GET)
            shelf = self._shelf({"TableName": name})
            keys = [_whole_key(shelf, key) for key in wanted.get("Keys", ())]
            if not keys or len(set(keys)) < len(keys):
                raise NotCovered("keys")
            asked.append((name, shelf, keys, _projection(wanted)))
        if not 1 <= sum(len(keys) for _, _, keys, _ in asked) <= BATCH_GET_LIMIT:
            raise NotCovered("number of keys")
        with self._lock:
            found = [[i for key in keys if (i := shelf.main.images.get(key))] for _, shelf, keys, _ in asked]
        if sum(image.size for images in found for image in images) > RESPONSE_LIMIT:
            raise NotCovered("size")
        responses = b",".join(
            encoded(name) + b":[" + b",".join(map(project, images)) + b"]"
            for (name, _, _, project), images in zip(asked, found, strict=True)
        )
        capacity = [{"CapacityUnits": len(keys), "TableName": name} for name, _, keys, _ in asked]
        return b'{"Responses":{%b},"UnprocessedKeys":{},"ConsumedCapacity":%b}' % (responses, encoded(capacity))

    def transact_get_items(self, request: dict[str, Any]) -> bytes:
        _only(request, {"TransactItems"})
        asked = []
        for entry in request["TransactItems"]:
            _only(entry, {"Get"})
            _only(entry["Get"], _GET - {"ConsistentRead", "ReturnConsumedCapacity"})
            shelf = self._shelf(entry["Get"])
            asked.append((shelf, _whole_key(shelf, entry["Get"].get("Key")), _projection(entry["Get"])))
        if not 1 <= len(asked) <= TRANSACT_GET_LIMIT:
            raise NotCovered("number of items")
        with self._lock:
            found = [shelf.main.images.get(key) for shelf, key, _ in asked]
        responses = [
            b'{"Item":' + project(image) + b"}" if image else b"{}"
            for image, (_, _, project) in zip(found, asked, strict=True)
        ]
        return b'{"Responses":[' + b",".join(responses) + b"]}"

    def query(self, request: dict[str, Any]) -> bytes:
        _only(request, _QUERY)
        shelf = self._shelf(request)
        ordering = _ordering(shelf, request)
        forward = request.get("ScanIndexForward", True)
        condition = parse(shelf, ordering, request)
        start = _start(shelf, ordering, request)
        with self._lock:
            whole, matching = condition.positions(ordering)
            page = turn(ordering, whole, matching, forward=forward, after=start, limit=_limit(request))
        return _page_answer(shelf, ordering, page, request, condition.names)

    def scan(self, request: dict[str, Any]) -> bytes:
        _only(request, _SCAN)
        shelf = self._shelf(request)
        start = _start(shelf, shelf.main, request)
        with self._lock:
            whole = (0, len(shelf.main.keys))
            page = turn(shelf.main, whole, whole, forward=True, after=start, limit=_limit(request))
        return _page_answer(shelf, shelf.main, page, request, [])


def _only(request: Any, members: set[str]) -> None:
    if not isinstance(request, dict) or not request.keys() <= members:
        raise NotCovered("members")


def _whole_key(shelf: Shelf, key: Any) -> SortKey:
    attributes = shelf.main.attributes
    if not isinstance(key, dict) or key.keys() != {name for name, _ in attributes}:
        raise NotCovered("key")
    return _sort_key(attributes, key)


def _sort_key(attributes: list[tuple[str, str]], key: Mapping[str, Any]) -> SortKey:
    try:
        return tuple(key_value(key.get(name), kind) for name, kind in attributes)
    except NotAKey:
        raise NotCovered("key") from None


def _ordering(shelf: Shelf, request: dict[str, Any]) -> Ordering:
    index_name = request.get("IndexName")
    if index_name is None:
        return shelf.main
    ordering = shelf.indexes.get(index_name)
    # A strongly consistent read of a global index is an error, which is moto's to word.
    if ordering is None or request.get("ConsistentRead"):
        raise NotCovered("index")
    return ordering


def _limit(request: dict[str, Any]) -> int | None:
    limit = request.get("Limit")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise NotCovered("limit")
    return limit


def _start(shelf: Shelf, ordering: Ordering, request: dict[str, Any]) -> SortKey | None:
    key = request.get("ExclusiveStartKey")
    if key is None:
        return None
    if not isinstance(key, dict) or key.keys() != _position_names(shelf, ordering):
        raise NotCovered("start key")
    return _sort_key(ordering.attributes, key)


def _position_names(shelf: Shelf, ordering: Ordering) -> set[str]:
    return {name for name, _ in (*ordering.attributes, *shelf.main.attributes)}


def _projection(request: Mapping[str, Any], used_elsewhere: list[str] | None = None) -> Project:
    """How one image is shown. Names of top-level attributes are picked out; deeper paths are left to moto."""
    expression = request.get("ProjectionExpression")
    names = request.get("ExpressionAttributeNames")
    if expression is None:
        if names is not None and used_elsewhere is None:
            raise NotCovered("names without an expression")
        paths: list[list[str]] = []
    else:
        if not isinstance(expression, str) or not expression or names == {}:
            raise NotCovered("projection")
        parser = ProjectionExpressionParser(expression, names)
        paths = parser.parse()
        used_elsewhere = [*(used_elsewhere or []), *parser.expr_attr_names_found]
    if used_elsewhere is not None:
        validate_attributes_used(names, used_elsewhere, validation_error_prefix=False)
    if not paths:
        return lambda image: image.body
    if all(len(path) == 1 and _TOP_LEVEL.fullmatch(path[0]) for path in paths):
        wanted = [path[0] for path in paths]
        return lambda image: encoded({n: image.attributes[n] for n in wanted if n in image.attributes})
    return lambda image: encoded(plain(image.item.project(paths).attrs))


def _page_answer(shelf: Shelf, ordering: Ordering, page: Page, request: dict[str, Any], names: list[str]) -> bytes:
    """Filter and project a page, after it was cut: a filter costs pages, as on DynamoDB."""
    images = page.images
    expression = request.get("FilterExpression")
    values = request.get("ExpressionAttributeValues")
    if values is not None and (
        not values or any(not name.startswith(":") or v == {"NS": []} for name, v in values.items())
    ):
        raise NotCovered("values")
    if expression is not None:
        images, found = _filtered(images, expression, request)
        names = [*names, *found]
    project = _projection(request, names)
    counts = b'"Count":%d,"ScannedCount":%d' % (len(images), len(page.images))
    parts = [counts]
    select = request.get("Select")
    if select not in (None, "COUNT") or (select and request.get("ProjectionExpression")):
        raise NotCovered("select")
    if select != "COUNT":
        parts.append(b'"Items":[' + b",".join(map(project, images)) + b"]")
    if page.last is not None:
        attributes = page.last.attributes
        names_of_key = _position_names(shelf, ordering)
        parts.append(b'"LastEvaluatedKey":' + encoded({name: attributes[name] for name in names_of_key}))
    return _answer(parts, request, 1.0)


def _filtered(images: list[Image], expression: Any, request: dict[str, Any]) -> tuple[list[Image], list[str]]:
    names = request.get("ExpressionAttributeNames", {})
    values = request.get("ExpressionAttributeValues", {})
    if not isinstance(expression, str) or not expression:
        raise NotCovered("filter")
    try:
        condition = get_filter_expression(expression, names, values)
        kept = [image for image in images if condition.expr(image.item)]
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError):
        raise NotCovered("filter") from None
    # moto's parser finds the names as it goes; a name is used when its placeholder stands in the expression.
    return kept, re.findall(r"#[\w\-]+", expression)


def _answer(parts: list[bytes], request: Mapping[str, Any], units: float) -> bytes:
    asked = request.get("ReturnConsumedCapacity", "NONE")
    if asked not in ("NONE", "TOTAL") and not (asked == "INDEXES" and "IndexName" not in request):
        raise NotCovered("capacity")
    if asked != "NONE":
        capacity: dict[str, Any] = {"TableName": request["TableName"], "CapacityUnits": units}
        if asked == "INDEXES":
            capacity["Table"] = {"CapacityUnits": units}
        parts.append(b'"ConsumedCapacity":' + encoded(capacity))
    return b"{" + b",".join(parts) + b"}"
