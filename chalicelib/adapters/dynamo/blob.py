"""Documents as one binary attribute: a tag byte, then JSON, deflated when that pays."""

from __future__ import annotations

import zlib
from typing import Any

from chalicelib.wire import json

_PLAIN, _DEFLATED = b"j", b"z"
_WORTH_DEFLATING = 200


def pack(value: object) -> bytes:
    """The value as bytes to store."""
    text = json.dumps(value)
    if len(text) <= _WORTH_DEFLATING:
        return _PLAIN + text
    return _DEFLATED + zlib.compress(text, 1)


def unpack(blob: bytes) -> Any:
    """The value such bytes hold."""
    tag, rest = blob[:1], blob[1:]
    return json.loads(zlib.decompress(rest) if tag == _DEFLATED else rest)
