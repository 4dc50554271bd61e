"""The tour in the README: its commands, and the output it promises for each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).resolve().parents[2] / "README.md"

_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_ALIKE = (
    (re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "<id>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
)


def steps() -> Iterator[tuple[str, str]]:
    """Each command with the output the README shows under it."""
    for block in _BLOCK.findall(README.read_text()):
        for step in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = step.partition("\n")
            yield command, output


def alike(output: str) -> str:
    """Output without what differs from run to run."""
    for pattern, stand_in in _ALIKE:
        output = pattern.sub(stand_in, output)
    return output.strip()
