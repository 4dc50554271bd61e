"""The images behind many containers, each read once."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

from chalicelib.ports.engine import Engine, EngineNotFound

Document = Mapping[str, Any]


class Images:
    """Image inspect documents by id, for the length of one scan: an id never stands for anything else. Thread-safe."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._known: dict[str, Future[Document]] = {}

    def get(self, image_id: str) -> Document:
        """The document; threads that ask for the same one wait for the first. Raises EngineError as that one did."""
        with self._lock:
            future = self._known.get(image_id)
            mine = future is None
            if future is None:
                future = self._known[image_id] = Future()
        if mine:
            try:
                future.set_result(self._read(image_id))
            except Exception as error:
                future.set_exception(error)
        return future.result()

    def _read(self, image_id: str) -> Document:
        try:
            return self._engine.image(image_id)
        except EngineNotFound:
            # A container outlives its image's last tag, and on some engines the image itself.
            return {"Id": image_id, "Architecture": "unknown", "Os": "linux"}
