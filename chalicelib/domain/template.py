"""Templates of notifications: text with `${…}`, evaluated by a small bounded reader, never by Python's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.domain.expression import BadExpression, parse

LONGEST_TEMPLATE = 16_384
LONGEST_TEXT = 65_536
"""Characters of a rendered text; what is longer is cut."""
_DEEPEST = 150

Node = tuple[Any, ...]


def render(template: str, variables: Mapping[str, Any]) -> str:
    """The text with every `${…}` replaced. What cannot be read or is not known renders empty; nothing is raised."""
    template = template[:LONGEST_TEMPLATE]
    parts: list[str] = []
    length = at = 0
    while length < LONGEST_TEXT:
        start = template.find("${", at)
        end = _closing(template, start + 2) if start >= 0 else -1
        if end < 0:
            parts.append(template[at:])
            break
        parts += (template[at:start], value := _evaluated(template[start + 2 : end], variables))
        length += start - at + len(value)
        at = end + 1
    return "".join(parts)[:LONGEST_TEXT]


def _closing(template: str, at: int) -> int:
    """Where the brace is that ends an expression, those within quotes passed over; -1 when there is none."""
    quote = ""
    while at < len(template):
        character = template[at]
        if quote and character == "\\":
            at += 1
        elif quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "}":
            return at
        at += 1
    return -1


def _evaluated(expression: str, variables: Mapping[str, Any]) -> str:
    try:
        return _text(_value(parse(expression), variables, 0))
    except (BadExpression, TypeError, ValueError, OverflowError, RecursionError):
        return ""


def _value(node: Node, variables: Mapping[str, Any], depth: int) -> Any:
    """What an expression is worth. Raises BadExpression for whatever is not allowed."""
    if depth > _DEEPEST:
        raise BadExpression("too deep")

    def of(inner: Node) -> Any:
        return _value(inner, variables, depth + 1)

    match node:
        case ("literal", value):
            return value
        case ("name", name):
            return variables.get(name)
        case ("member", owner, name):
            return _member(of(owner), name)
        case ("index", owner, index):
            return _indexed(of(owner), of(index))
        case ("call", owner, name, arguments):
            return _called(of(owner), name, [of(one) for one in arguments])
        case ("not", inner):
            return not of(inner)
        case ("choice", condition, yes, no):
            return of(yes) if of(condition) else of(no)
        case ("&&", left, right):
            return of(right) if (found := of(left)) else found
        case ("||", left, right):
            return found if (found := of(left)) else of(right)
        case ("+", left, right):
            return _sum(of(left), of(right))
        case (operator, left, right):
            return _compared(operator, of(left), of(right))
    raise BadExpression("unknown")


def _member(owner: Any, name: str) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(name)
    if name == "length" and isinstance(owner, str | Sequence):
        return len(owner)
    return None


def _indexed(owner: Any, index: Any) -> Any:
    if isinstance(owner, Mapping):
        return owner.get(index) if isinstance(index, str) else None
    if isinstance(owner, str | Sequence) and type(index) is int and 0 <= index < len(owner):
        return owner[index]
    return None


def _sum(left: Any, right: Any) -> Any:
    if _numeric(left) and _numeric(right):
        return left + right
    return (_text(left) + _text(right))[:LONGEST_TEXT]


def _compared(operator: str, left: Any, right: Any) -> bool:
    if operator in ("==", "==="):
        return bool(left == right)
    if operator in ("!=", "!=="):
        return bool(left != right)
    if not ((_numeric(left) and _numeric(right)) or (isinstance(left, str) and isinstance(right, str))):
        return False
    if operator in ("<", ">"):
        return bool(left < right if operator == "<" else left > right)
    return bool(left <= right if operator == "<=" else left >= right)


def _numeric(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> str:
    """As it is shown: objects, lists and what is absent are empty."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if _numeric(value) else ""


def _called(owner: Any, name: str, arguments: list[Any]) -> Any:
    """One of the allowed methods of a string. Nothing of what is absent is absent too."""
    if owner is None:
        return None
    method = _METHODS.get(name)
    if method is None or not isinstance(owner, str):
        raise BadExpression(f"no method {name}")
    return method(owner, *arguments)


def _substring(text: str, start: int, end: int | None = None) -> str:
    low, high = max(start, 0), len(text) if end is None else max(end, 0)
    return text[min(low, high) : max(low, high)]


def _slice(text: str, start: int, end: int | None = None) -> str:
    return text[start:end]


def _replace(text: str, old: str, new: str) -> str:
    return text.replace(_of_text(old), _of_text(new), 1)[:LONGEST_TEXT]


def _replace_all(text: str, old: str, new: str) -> str:
    if text.count(_of_text(old)) * len(_of_text(new)) > LONGEST_TEXT:
        raise BadExpression("too long")
    return text.replace(old, new)[:LONGEST_TEXT]


def _of_text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadExpression("not a text")
    return value


# Pairs, not a display: these are the words of templates, not members of any JSON.
_METHODS: dict[str, Callable[..., Any]] = dict(  # noqa: C406
    (
        ("toUpperCase", str.upper),
        ("toLowerCase", str.lower),
        ("toString", str),
        ("trim", str.strip),
        ("substring", _substring),
        ("slice", _slice),
        ("replace", _replace),
        ("replaceAll", _replace_all),
        ("startsWith", lambda text, other: text.startswith(_of_text(other))),
        ("endsWith", lambda text, other: text.endswith(_of_text(other))),
        ("includes", lambda text, other: _of_text(other) in text),
        ("indexOf", lambda text, other: text.find(_of_text(other))),
        ("charAt", lambda text, index: text[index : index + 1] if index >= 0 else ""),
    )
)
