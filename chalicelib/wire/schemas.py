"""The JSON schemas of every body (models*.json), and the check that a body meets one."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from chalicelib.domain.errors import Invalid

_FILES = ("models.json", "models_access.json", "models_system.json", "models_webhook.json")


@cache
def models() -> dict[str, Any]:
    """The schemas by name, as they stand under `components.schemas` of the OpenAPI document."""
    schemas: dict[str, Any] = {}
    for name in _FILES:
        schemas |= orjson.loads(Path(__file__).with_name(name).read_bytes())
    return schemas


@cache
def examples() -> dict[str, Any]:
    """What handlers answered, by operation or by schema; written by tests/builders/exercised.py."""
    found: dict[str, Any] = orjson.loads(Path(__file__).with_name("examples.json").read_bytes())
    return found


def check(name: str, value: object) -> None:
    """Raise Invalid when the value does not meet the schema; the message names the member and what is allowed."""
    from fastjsonschema import JsonSchemaValueException

    try:
        _validator(name)(value)
    except JsonSchemaValueException as error:
        raise Invalid(_explain(error)) from None


@cache
def _validator(name: str) -> Callable[[object], object]:
    # Imported and compiled at the first body: most requests have none.
    import fastjsonschema

    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": models()}}
    compiled: Callable[[object], object] = fastjsonschema.compile(document, use_default=False)
    return compiled


def _explain(error: Any) -> str:
    member = ".".join(str(part) for part in error.path[1:])
    subject = f"`{member}`" if member else "The body"
    if error.rule == "required":
        missing = [name for name in error.rule_definition if name not in error.value]
        return f"{_members(missing)} missing{f' in {subject}' if member else ''}."
    if error.rule == "additionalProperties":
        unknown = [name for name in error.value if name not in error.definition.get("properties", {})]
        return f"{_members(unknown)} not known{f' in {subject}' if member else ''}."
    return f"{subject} must {_demand(error.rule, error.rule_definition, error.definition)}."


_KINDS = {"object": "an object", "array": "a list", "string": "a string", "integer": "a whole number"}
_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "under"}
_KINDS |= {"number": "a number", "boolean": "true or false", "null": "null"}


def _demand(rule: str, wanted: Any, definition: dict[str, Any]) -> str:
    match rule:
        case "type":
            kinds: list[str] = wanted if isinstance(wanted, list) else [wanted]
            named = " or ".join(_KINDS[kind] for kind in kinds)
            return f"be {named}" + (f", one of: {', '.join(definition['enum'])}" if "enum" in definition else "")
        case "enum":
            return f"be one of: {', '.join(map(str, wanted))}"
        case "const":
            return f"be {wanted}"
        case "minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum":
            return f"be {_bounds(definition)}"
        case "minLength" | "pattern" if wanted in (1, "\\S"):
            return "not be empty"
        case "minLength" | "maxLength":
            return f"have at {'least' if rule == 'minLength' else 'most'} {wanted} characters"
        case "minItems" | "maxItems":
            return f"have at {'least' if rule == 'minItems' else 'most'} {wanted} items"
        case _:
            return f"meet the schema: {rule} {wanted}"


def _bounds(definition: dict[str, Any]) -> str:
    return " and ".join(f"{word} {definition[rule]}" for rule, word in _BOUNDS.items() if rule in definition)


def _members(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) + (" is" if len(names) == 1 else " are")
