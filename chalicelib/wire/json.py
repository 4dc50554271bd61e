"""JSON bytes both ways."""

from __future__ import annotations

from typing import Any

import orjson


def dumps(value: object) -> bytes:
    """Compact JSON bytes; keys keep their order."""
    return orjson.dumps(value)


def loads(text: bytes | str) -> Any:
    """The value; raises ValueError (orjson.JSONDecodeError) with line and column when it is not JSON."""
    return orjson.loads(text)
