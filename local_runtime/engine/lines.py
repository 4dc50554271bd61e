"""Owns the cutting of a chunked byte stream into JSON lines, wherever the chunks happen to end."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

LONGEST_LINE = 1 << 20


class LineTooLong(ValueError):
    """A line outgrew LONGEST_LINE; the stream cannot be trusted any further."""


def json_lines(chunks: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The JSON objects of a newline-delimited stream; other lines are passed over. Raises LineTooLong."""
    for line in _lines(chunks):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict):
            yield document


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    pending = b""
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\n")
        yield from whole
        if len(pending) > LONGEST_LINE:
            raise LineTooLong(f"a line of more than {LONGEST_LINE} bytes")
    if pending:
        yield pending
