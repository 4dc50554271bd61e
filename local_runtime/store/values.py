"""Attribute values both ways: DynamoDB JSON as clients send it, moto's DynamoType, and sortable keys."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Context, Decimal, InvalidOperation
from typing import Any

from moto.dynamodb.models.dynamo_type import DynamoType, Item

from local_runtime.store.faults import Fault, invalid

SortKey = tuple[Any, ...]
"""Key attributes as Python values that sort as DynamoDB sorts them: str, Decimal or bytes."""

# Wide enough for DynamoDB's 38 digits; the default context would round to 28 and make two keys one.
_EXACT = Context(prec=60)


class NotAKey(Exception):
    """A value that cannot be a key attribute of the wanted type."""


def with_binary_decoded(node: Any) -> Any:
    """A request with every `{"B": base64}` and `{"BS": [base64, ...]}` turned to bytes, as moto expects them.

    Raises Fault (SerializationException) for text that is not base64.
    """
    if isinstance(node, dict):
        if len(node) == 1:
            ((name, value),) = node.items()
            if name == "B" and isinstance(value, str):
                return {"B": _bytes(value)}
            if name == "BS" and isinstance(value, list) and all(isinstance(v, str) for v in value):
                return {"BS": [_bytes(v) for v in value]}
        return {name: with_binary_decoded(value) for name, value in node.items()}
    if isinstance(node, list):
        return [with_binary_decoded(value) for value in node]
    return node


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise Fault("SerializationException", f"Base64 encoded data could not be read: {error}") from None


def plain(node: Any) -> Any:
    """moto's objects as JSON-ready values: DynamoType to DynamoDB JSON, bytes to base64, times to epoch seconds."""
    if isinstance(node, DynamoType):
        return {node.type: plain(node.value)}
    if isinstance(node, dict):
        return {name: plain(value) for name, value in node.items() if value is not None}
    if isinstance(node, (list, tuple, set)):
        return [plain(value) for value in node]
    if isinstance(node, bytes):
        return base64.b64encode(node).decode()
    if isinstance(node, datetime):
        return (node if node.tzinfo else node.replace(tzinfo=UTC)).timestamp()
    if isinstance(node, Item):
        return plain(node.attrs)
    return node


def encoded(node: Any) -> bytes:
    return json.dumps(node, separators=(",", ":")).encode()


def key_value(value: Any, wanted_type: str) -> Any:
    """The Python value of one key attribute, given as DynamoDB JSON with bytes or as DynamoType.

    Raises NotAKey when it is of another type, empty, or not a number where one is due.
    """
    if isinstance(value, DynamoType):
        kind, content = value.type, value.value
    elif isinstance(value, Mapping) and len(value) == 1:
        ((kind, content),) = value.items()
    else:
        raise NotAKey(value)
    if kind != wanted_type or not isinstance(content, bytes if kind == "B" else str) or not content:
        raise NotAKey(value)
    if kind == "N":
        try:
            return Decimal(str(content))
        except InvalidOperation:
            raise NotAKey(value) from None
    return content


def key_text(parts: SortKey) -> str:
    """One text per key, equal exactly when the keys are: 1, 1.0 and 1E0 are the same number."""
    return json.dumps([_key_part(part) for part in parts])


def _key_part(part: Any) -> str:
    if isinstance(part, Decimal):
        return f"N{_EXACT.normalize(_EXACT.plus(part))}"
    return f"B{part.hex()}" if isinstance(part, bytes) else f"S{part}"


def required(request: Mapping[str, Any], member: str) -> Any:
    if member not in request:
        raise invalid(f"1 validation error detected: Value null at '{member}' failed to satisfy constraint: not null")
    return request[member]
