"""Key conditions of a query: which positions of a sorted order they select."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_runtime.store.faults import NotCovered
from local_runtime.store.shelf import Ordering, Shelf
from local_runtime.store.values import NotAKey, key_value

Span = tuple[int, int]

_NAME = r"([#A-Za-z_][\w.\-]*)"
_VALUE = r"(:\w+)"
_RANGE_CONDITION = "|".join(
    (
        rf"{_NAME}\s*(=|<=|>=|<|>)\s*{_VALUE}",
        rf"{_NAME}\s+(BETWEEN|between)\s+{_VALUE}\s+(?:AND|and)\s+{_VALUE}",
        rf"(begins_with)\s*\(\s*{_NAME}\s*,\s*{_VALUE}\s*\)",
    )
)
_CONDITION = re.compile(rf"\s*{_NAME}\s*=\s*{_VALUE}(?:\s+(?:AND|and)\s+(?:{_RANGE_CONDITION}))?\s*")
_IN_PARENTHESES = re.compile(r"\s*\((.*)\)\s*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A partition, and a comparison of its range key with one or two values; no `operator` takes it whole.

    `names` are the name placeholders the expression uses.
    """

    partition: Any
    operator: str | None
    values: tuple[Any, ...]
    names: list[str]

    def positions(self, ordering: Ordering) -> tuple[Span, Span]:
        """The span of the whole partition and, within it, of the keys that meet the condition."""
        head = (self.partition,)
        whole = ordering.span(head, head)
        if self.operator is None:
            return whole, whole
        if self.operator == "begins_with":
            return whole, ordering.prefix_span(head, *self.values)
        start, end = ordering.span((*head, self.values[0]), (*head, self.values[-1]))
        matching = {
            "=": (start, end),
            "between": (start, end),
            "<": (whole[0], start),
            "<=": (whole[0], end),
            ">": (end, whole[1]),
            ">=": (start, whole[1]),
        }
        return whole, matching[self.operator]


def parse(shelf: Shelf, ordering: Ordering, request: Mapping[str, Any]) -> KeyCondition:
    """The request's condition in its ordinary form: partition first, then at most one on the range key.

    Raises NotCovered for every other form, and for values whose type is not the key's.
    """
    match = _match(request.get("KeyConditionExpression"))
    hash_name, hash_value, *rest = match.groups()
    name_1, compare, value_1, name_2, between, low, high, begins, name_3, prefix = rest
    names = request.get("ExpressionAttributeNames") or {}
    values = request.get("ExpressionAttributeValues") or {}
    (hash_attribute, hash_type), *others = ordering.attributes
    if names.get(hash_name, hash_name) != hash_attribute:
        raise NotCovered("hash key")
    partition = _value(values, hash_value, hash_type)
    used = [name for name in (hash_name, name_1, name_2, name_3) if name and name.startswith("#")]
    range_name = name_1 or name_2 or name_3
    if range_name is None:
        return KeyCondition(partition, None, (), used)
    if not _has_range(shelf, ordering) or names.get(range_name, range_name) != others[0][0]:
        raise NotCovered("range key")
    kind = others[0][1]
    if begins and kind == "N":
        raise NotCovered("begins_with on a number")
    operands = tuple(_value(values, operand, kind) for operand in (value_1, low, high, prefix) if operand)
    return KeyCondition(partition, begins or (between and "between") or compare, operands, used)


def _match(expression: Any) -> re.Match[str]:
    if not isinstance(expression, str):
        raise NotCovered("key condition")
    match = _CONDITION.fullmatch(expression)
    if match is None and (inner := _IN_PARENTHESES.fullmatch(expression)):
        match = _CONDITION.fullmatch(inner[1])
    if match is None:
        raise NotCovered("key condition")
    return match


def _value(values: Mapping[str, Any], placeholder: str, kind: str) -> Any:
    try:
        return key_value(values.get(placeholder), kind)
    except NotAKey:
        raise NotCovered("key value") from None


def _has_range(shelf: Shelf, ordering: Ordering) -> bool:
    """Whether the second attribute of the order is a range key in the schema, and not a tie breaker of ours."""
    if ordering is shelf.main:
        return len(ordering.attributes) > 1
    index = next(index for index in shelf.table.all_indexes() if shelf.indexes.get(index.name) is ordering)
    return any(key["KeyType"] == "RANGE" for key in index.schema)
