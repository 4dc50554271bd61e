"""Scanners that are not there: programs that note how they are called and replay documents.

Which of them the real programs wrote, and which were written after their formats: tests/data/scanners/ORIGIN.md.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parents[1] / "data"
DOCUMENTS = DATA / "scanners"
_PROGRAM = DATA / "stand_ins/tool.py"
NAMES = ("trivy", "grype", "syft", "cosign")


class StandIns:
    """A folder with the four programs; `play` says what one does, `calls` what it was called with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._scenes: dict[str, list[dict[str, Any]]] = {}
        for name in NAMES:
            program = folder / name
            program.write_text(f"#!{sys.executable} -SE\n{_PROGRAM.read_text()}")
            program.chmod(0o755)
        self._write()

    def path(self, name: str) -> str:
        """Where a program is."""
        return str(self.folder / name)

    def play(self, name: str, *scenes: dict[str, Any]) -> None:
        """What a program does from now on; `output` and `complaint` name files of tests/data/scanners."""
        self._scenes[name] = [
            {key: str(DOCUMENTS / value) if key in ("output", "complaint") else value for key, value in scene.items()}
            for scene in scenes
        ]
        self._write()

    def calls(self, name: str | None = None) -> list[dict[str, Any]]:
        """How the programs were called so far."""
        file = self.folder / "calls.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        found = [json.loads(line) for line in lines]
        return [call for call in found if name in (None, call["tool"])]

    def forget(self) -> None:
        """Forget the calls."""
        (self.folder / "calls.jsonl").unlink(missing_ok=True)

    def _write(self) -> None:
        # Replaced in one piece: a program may be reading it.
        fresh = self.folder / "scenario.new"
        fresh.write_text(json.dumps(self._scenes))
        fresh.replace(self.folder / "scenario.json")


def document(name: str) -> bytes:
    """One of the documents."""
    return (DOCUMENTS / name).read_bytes()
