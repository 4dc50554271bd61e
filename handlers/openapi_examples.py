"""Examples for the OpenAPI document: what the handlers really answered, as tests have captured it; else built from a
schema and its parts. Both are checked against the schema."""

from __future__ import annotations

from functools import cache
from typing import Any

from chalicelib.wire import schemas

_MOMENT = "2026-11-23T12:00:00.000Z"
_PLAIN: dict[str, Any] = {"string": "…", "boolean": True, "object": {}, "array": []}
_FORMATS = {"date-time": _MOMENT, "uri": "https://example.com/"}
_REF = "#/components/schemas/"


def answered(operation_id: str, schema: str) -> Any:
    """What that operation answered, or another one with the same schema; an example of the schema when none did."""
    known = schemas.examples()
    return known.get(operation_id, known[schema] if schema in known else example(schema))


@cache
def example(name: str) -> Any:
    """An example of the schema of that name; parts that are neither required nor have one of their own are left out."""
    return _of(schemas.models()[name], (name,))


def _of(schema: dict[str, Any], within: tuple[str, ...]) -> Any:
    if "examples" in schema:
        return schema["examples"][0]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_REF)
        return _of(schemas.models()[name], (*within, name))
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "allOf" in schema:
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _of(part, within)
        return merged | (_object(schema, within) if "properties" in schema else {})
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return _of(schema[choice][0], within)
    return _typed(schema, within)


def _typed(schema: dict[str, Any], within: tuple[str, ...]) -> Any:
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        return _object(schema, within)
    if kind == "array" and "items" in schema and not _again(schema["items"], within):
        return [_of(schema["items"], within)]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return _FORMATS.get(schema.get("format", ""), _PLAIN.get(kind or "object"))


def _object(schema: dict[str, Any], within: tuple[str, ...]) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        name: _of(part, within)
        for name, part in schema.get("properties", {}).items()
        if not _again(part, within) and (name in required or "examples" in part)
    }


def _again(schema: dict[str, Any], within: tuple[str, ...]) -> bool:
    return schema.get("$ref", "").removeprefix(_REF) in within
