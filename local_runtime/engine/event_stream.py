"""Owns the reading of the engine's event stream: lines into events, and its end told from its loss."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from docker.types import CancellableStream

from chalicelib.ports.engine import CONTAINER_ACTIONS, EngineUnavailable, Event
from local_runtime.engine.lines import LineTooLong, json_lines


class DockerEventStream(Iterator[Event]):
    """The EventStream of the port over one streaming answer of the daemon."""

    def __init__(self, stream: CancellableStream, release: Callable[[], None]) -> None:
        self._stream = stream
        self._release = release
        self._closed = False
        self._documents = json_lines(stream)

    def __next__(self) -> Event:
        while not self._closed:
            try:
                event = event_of(next(self._documents))
            except urllib3.exceptions.ReadTimeoutError:
                # Nothing has happened for long; a connection that has quietly died looks the same.
                self.close()
                break
            except (StopIteration, LineTooLong, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
                # Reading from a connection that `close` has just torn down fails in many ways; all of them are the end.
                if self._closed:
                    break
                self.close()
                raise EngineUnavailable(f"the engine's event stream broke off: {error!r}") from error
            if event:
                return event
        raise StopIteration

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stream.close()
            self._release()


def event_of(document: Mapping[str, Any]) -> Event | None:
    """The event in a line of the engine's stream, or None when it is about something else."""
    actor = document.get("Actor") or {}
    action, _, health = str(document.get("Action") or document.get("status") or "").partition(": ")
    container_id = actor.get("ID") or document.get("id")
    if document.get("Type", "container") != "container" or action not in CONTAINER_ACTIONS or not container_id:
        return None
    attributes = {str(key): str(value) for key, value in (actor.get("Attributes") or {}).items()}
    nanoseconds = document.get("timeNano") or int(document.get("time") or 0) * 1_000_000_000
    name = attributes.get("name", "").lstrip("/")
    return Event(action, container_id, name, attributes, nanoseconds / 1e9, health or None)
