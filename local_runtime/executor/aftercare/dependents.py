"""Containers that live in another one's network, process or IPC namespace, and lose it when that one is replaced."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from typing import Any

from chalicelib.ports.engine import Engine, EngineError, EngineUnavailable
from local_runtime.engine.replica import providers_of
from local_runtime.executor.inspection import inspect_optional, started_at

log = logging.getLogger(__name__)

Document = Mapping[str, Any]
Providers = Mapping[str, tuple[str, ...]]


class Households:
    """Who lives in whose namespaces on one engine. Thread-safe.

    That is settled when a container is made, so each is asked about once, however many updates want to know.
    """

    def __init__(self) -> None:
        self._known: Providers = {}

    def now(self, engine: Engine) -> Providers:
        """Every container's id, with the ids of those whose namespaces it lives in. Raises EngineError."""
        known, found = self._known, {}
        for summary in engine.containers(all=True):
            container = summary["Id"]
            if container in known:
                found[container] = known[container]
            elif (document := inspect_optional(engine, container)) is not None:
                found[container] = tuple(providers_of(document))
        self._known = found
        return found


def running_dependents(engine: Engine, households: Households, provider_id: str) -> tuple[str, ...]:
    """The ids of those that run in its namespaces, or in those of one that does. Raises EngineError."""
    providers = households.now(engine)
    documents = _documents(engine, _downstream(providers, provider_id))
    running = {one["Id"]: providers[one["Id"]] for one in documents if one["State"].get("Running")}
    return tuple(_downstream(running, provider_id))


def stranded(engine: Engine, households: Households, replaced: Collection[str]) -> list[tuple[str, Document]]:
    """Every container in a namespace of one of the `replaced` ids, each with the one it names. Raises EngineError."""
    if not replaced:
        return []
    lives_in = households.now(engine).items()
    gone = {one: provider for one, providers in lives_in for provider in providers if provider in replaced}
    return [(gone[document["Id"]], document) for document in _documents(engine, gone)]


def rejoin(engine: Engine, households: Households, provider_id: str, ran: Collection[str]) -> None:
    """Let those that run join the namespaces of a provider that was stopped and runs again, and those in turn theirs.

    Those of the ids `ran` that have ended meanwhile are started. Who has joined already is let be, so it may be done
    again. What the engine refuses is logged; raises EngineUnavailable.
    """
    for document in _documents(engine, _downstream(households.now(engine), provider_id)):
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


def _downstream(providers: Providers, provider_id: str) -> list[str]:
    """Those in its namespaces, then those in theirs, and so on; each after the one it lives in."""
    left, found, nearest = dict(providers), list[str](), {provider_id}
    while nearest:
        here = [one for one, others in left.items() if not nearest.isdisjoint(others)]
        nearest = set(here)
        left = {one: others for one, others in left.items() if one not in nearest}
        found += here
    return found


def _documents(engine: Engine, containers: Collection[str]) -> list[Document]:
    looked = (inspect_optional(engine, one) for one in containers)
    return [document for document in looked if document is not None]
