"""Containers that live in another one's network, process or IPC namespace, and lose it when that one is replaced."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.ports.engine import Engine, EngineError
from local_runtime.engine.replica import shares_namespace
from local_runtime.executor.inspection import inspect_optional

log = logging.getLogger(__name__)

Document = Mapping[str, Any]


def dependents_of(engine: Engine, provider_id: str) -> list[Document]:
    """Every container, running or not, in a namespace of the one with that id. Raises EngineError."""
    return [document for document in _documents(engine) if shares_namespace(document, provider_id)]


def stranded(engine: Engine, replaced: Mapping[str, str]) -> list[Document]:
    """Every container in a namespace of one that was replaced; `replaced` has their ids as keys. Raises EngineError."""
    if not replaced:
        return []
    return [document for document in _documents(engine) if any(shares_namespace(document, one) for one in replaced)]


def restart_dependents(engine: Engine, provider_id: str) -> None:
    """Let those that run join the namespace of a provider that was stopped and runs again."""
    try:
        for document in dependents_of(engine, provider_id):
            if document["State"].get("Running"):
                engine.restart(document["Id"])
    except EngineError as error:
        log.warning("containers in a namespace of %s could not be restarted: %s", provider_id[:12], error)


def _documents(engine: Engine) -> Iterator[Document]:
    for summary in engine.containers(all=True):
        document = inspect_optional(engine, summary["Id"])
        if document is not None:
            yield document
