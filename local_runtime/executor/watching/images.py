"""What stands around many containers, each thing read once: their images, and the swarm services they belong to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from chalicelib.domain.labels import SWARM_SERVICE
from chalicelib.ports.engine import Engine, EngineNotFound

Document = Mapping[str, Any]
Value = TypeVar("Value")


class Once(Generic[Value]):
    """Answers by name, each asked for once; threads that ask for the same one wait for the first. Thread-safe."""

    def __init__(self, ask: Callable[[str], Value]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._known: dict[str, Future[Value]] = {}

    def get(self, name: str) -> Value:
        """The answer. Raises what the first asking raised."""
        with self._lock:
            future = self._known.get(name)
            mine = future is None
            if future is None:
                future = self._known[name] = Future()
        if mine:
            try:
                future.set_result(self._ask(name))
            except Exception as error:
                future.set_exception(error)
        return future.result()


class Images:
    """Images and services for the length of one scan: an id never stands for anything else meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._images = Once(self._read)
        self._services = Once(engine.service_labels)

    def get(self, image_id: str) -> Document:
        """The inspect document of an image. Raises EngineError."""
        return self._images.get(image_id)

    def labels(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """The labels of a container, and beneath them those of its swarm service. Raises EngineError."""
        service = own.get(SWARM_SERVICE)
        return {**self._services.get(service), **own} if service else own

    def _read(self, image_id: str) -> Document:
        try:
            return self._engine.image(image_id)
        except EngineNotFound:
            # A container outlives its image's last tag, and on some engines the image itself.
            return {"Id": image_id, "Architecture": "unknown", "Os": "linux"}
