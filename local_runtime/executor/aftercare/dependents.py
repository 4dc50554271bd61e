"""Containers that live in another one's network, process or IPC namespace, and lose it when that one is replaced."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from chalicelib.ports.engine import Engine, EngineError, EngineUnavailable
from local_runtime.engine.replica import providers_of
from local_runtime.executor.inspection import inspect_optional, started_at

log = logging.getLogger(__name__)

Document = Mapping[str, Any]


def running_dependents(engine: Engine, provider_id: str) -> tuple[str, ...]:
    """The ids of those that run in its namespaces, or in those of one that does. Raises EngineError."""
    running = [document for document in _documents(engine) if document["State"].get("Running")]
    return tuple(document["Id"] for document in _downstream(running, provider_id))


def stranded(engine: Engine, replaced: Collection[str]) -> list[tuple[str, Document]]:
    """Every container in a namespace of one of the `replaced` ids, each with the one it names. Raises EngineError."""
    if not replaced:
        return []
    documents = _documents(engine)
    found = ((one, document) for document in documents for one in providers_of(document) if one in replaced)
    return list({document["Id"]: (one, document) for one, document in found}.values())


def rejoin(engine: Engine, provider_id: str, ran: Collection[str]) -> None:
    """Let those that run join the namespaces of a provider that was stopped and runs again, and those in turn theirs.

    Those of the ids `ran` that have ended meanwhile are started. Who has joined already is let be, so it may be done
    again. What the engine refuses is logged; raises EngineUnavailable.
    """
    for document in _downstream(list(_documents(engine)), provider_id):
        try:
            _rejoin(engine, document, ran)
        except EngineUnavailable:
            raise
        except EngineError as error:
            name = str(document["Name"]).lstrip("/")
            log.warning("%s could not join the namespace of its provider again: %s", name, error)


def _rejoin(engine: Engine, document: Document, ran: Collection[str]) -> None:
    if not document["State"].get("Running"):
        if document["Id"] in ran:
            engine.start(document["Id"])
        return
    providers = [inspect_optional(engine, one) for one in providers_of(document)]
    if any(one is not None and started_at(one) > started_at(document) for one in providers):
        engine.restart(document["Id"])


def _downstream(documents: Iterable[Document], provider_id: str) -> list[Document]:
    """Those of the documents in its namespaces, then those in theirs, and so on; each after the one it lives in."""
    left, found, nearest = list(documents), [], {provider_id}
    while nearest:
        here = [one for one in left if not nearest.isdisjoint(providers_of(one))]
        nearest = {one["Id"] for one in here}
        left = [one for one in left if one["Id"] not in nearest]
        found += here
    return found


def _documents(engine: Engine) -> Iterator[Document]:
    for summary in engine.containers(all=True):
        document = inspect_optional(engine, summary["Id"])
        if document is not None:
            yield document
