"""What it takes to make a container once more, on this machine's disk: it holds secrets, so it goes nowhere else."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from local_runtime.engine.replica import Replica

_ENDING = ".json"


class Blueprints:
    """One file per operation in a folder that only its owner may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, operation_id: str, image_id: str, replica: Replica) -> None:
        """Write down how to make the container again on that image; whole or not at all, and on the disk."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        document = {
            "image": image_id,
            "name": replica.name,
            "body": replica.body,
            "connect": [list(pair) for pair in replica.connect],
        }
        self._write(operation_id, document)

    def find(self, operation_id: str) -> tuple[str, Replica] | None:
        """The image id and the create call; nothing when none was kept."""
        document = self._read(operation_id)
        if document is None:
            return None
        connect = tuple((network, endpoint) for network, endpoint in document["connect"])
        return document["image"], Replica(document["name"], document["body"], connect)

    def note_made(self, operation_id: str, container_id: str) -> None:
        """Write down the id of the container made again."""
        document = self._read(operation_id)
        if document is not None:
            self._write(operation_id, document | {"made": container_id})

    def made(self, operation_id: str) -> str | None:
        """The id of the container made again, if one was."""
        document = self._read(operation_id)
        return None if document is None else document.get("made")

    def forget(self, operation_id: str) -> None:
        """Delete it; what resists is deleted at the next start."""
        with suppress(OSError):
            self._path(operation_id).unlink()

    def forget_all_but(self, operation_ids: Collection[str]) -> None:
        """Delete those of every other operation: what a crash left behind."""
        for path in self._folder.glob("*"):
            if path.suffix != _ENDING or path.stem not in operation_ids:
                path.unlink(missing_ok=True)

    def _read(self, operation_id: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads(self._path(operation_id).read_text())
        except (OSError, ValueError):
            return None
        return document

    def _write(self, operation_id: str, document: Mapping[str, Any]) -> None:
        path = self._path(operation_id)
        draft = path.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def _path(self, operation_id: str) -> Path:
        return self._folder / f"{operation_id}{_ENDING}"
