"""Reading what a tool wrote: JSON that may be cut, huge, of another version, or no report at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from chalicelib.ports.scanner import ScannerError

PARSE_LIMIT = 20 * 1024 * 1024
LONGEST_TEXT = 300
LONGEST_URL = 1000

Document = Mapping[str, Any]


class NoReport(ScannerError):
    """The tool ended well, but what it wrote is no report: that must never count as nothing found."""


def read(tool: str, output: bytes) -> Any:
    """The JSON value a tool wrote. Raises NoReport."""
    if len(output) > PARSE_LIMIT:
        raise NoReport(f"{tool} wrote {len(output) // 1024} kB, too much for a report")
    try:
        return orjson.loads(output)
    except ValueError:
        raise NoReport(f"{tool} wrote no JSON but: {_beginning(output)}") from None


def members(tool: str, value: object, name: str) -> list[Document]:
    """The objects of an optional list; null is empty. Raises NoReport when it is no list of objects."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise NoReport(f"{tool} wrote a report whose {name} is no list")
    return value


def inner(value: object) -> Document:
    """An optional object."""
    return value if isinstance(value, dict) else {}


def text(value: object, longest: int = LONGEST_TEXT) -> str | None:
    """An optional string, not empty and not longer than that."""
    if not isinstance(value, str) or not value.strip():
        return None
    value = " ".join(value.split())
    return value if len(value) <= longest else f"{value[: longest - 1]}…"


def link(value: object) -> str | None:
    """An optional web address; nothing else must become a link on somebody's page."""
    found = text(value, LONGEST_URL)
    return found if found and found.startswith(("https://", "http://")) and not found.endswith("…") else None


def _beginning(output: bytes) -> str:
    return text(output[:80].decode(errors="replace")) or "nothing"
