"""Reading containers: the list, one of them, the summary, and the history of updates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import NotFound
from chalicelib.domain.fleet import Entry
from chalicelib.domain.query import ContainerQuery, select
from chalicelib.domain.summary import summarise
from chalicelib.ports.services import Services
from chalicelib.usecases.forget_container import forget_container
from chalicelib.wire import container as wire
from chalicelib.wire import operation as operation_wire
from chalicelib.wire import query as query_wire
from chalicelib.wire import summary as summary_wire
from chalicelib.wire.page import envelope
from handlers.findings import with_findings
from handlers.http import Headers, Request, Response

LIST_PATH = "/api/v1/containers"


def list_containers(request: Request, services: Services) -> object:
    """One page of containers."""
    return page(request, services, query_wire.containers(request.query))


def page(request: Request, services: Services, query: ContainerQuery) -> object:
    """The list envelope for a query that has been understood."""
    now = services.clock.now()
    chosen = select(services.fleet.fleet(), query, now)
    data = [
        wire.present(entry, entry.standing(now), vulnerabilities=query.include_vulnerabilities)
        for entry in chosen.entries
    ]
    if query.include_vulnerabilities:
        with_findings(data, services)
    return envelope(
        data, total=chosen.total, limit=chosen.limit, offset=chosen.offset, path=LIST_PATH, query=request.query
    )


def list_bare(_request: Request, services: Services) -> object:
    """Every container in a bare array, as WUD's clients read it."""
    now = services.clock.now()
    chosen = select(services.fleet.fleet(), ContainerQuery(), now)
    return [wire.present(entry, entry.standing(now)) for entry in chosen.entries]


def get_container(request: Request, services: Services) -> object:
    """One container, whole."""
    return show(find(request, services), services)


def summary(_request: Request, services: Services) -> object:
    """The counts a dashboard's side bar shows."""
    return summary_wire.write(summarise(services.fleet.fleet(), services.clock.now()))


def list_operations(request: Request, services: Services) -> object:
    """The update history of a container, newest first."""
    entry = find(request, services)
    limit, offset = query_wire.paging(request.query)
    history = sorted(services.operations.history(entry.listing.identity), key=lambda one: one.updated_at, reverse=True)
    chosen = history[offset : offset + limit if limit else None]
    return envelope(
        [operation_wire.write(one) for one in chosen],
        total=len(history),
        limit=limit,
        offset=offset,
        path=f"{LIST_PATH}/{entry.listing.id}/update-operations",
        query=request.query,
    )


def get_operation(request: Request, services: Services) -> object:
    """One operation, also under an id the container had before that operation."""
    entry = services.fleet.fleet().find_successor(request.path_params["id"])
    operation_id = request.path_params["operationId"]
    found = services.operations.get(entry.listing.identity, operation_id) if entry else None
    if found is None:
        raise NotFound(f"No operation {operation_id} is known for this container.")
    return operation_wire.write(found)


def delete_container(request: Request, services: Services) -> Response:
    """Forget the record of a container; the container itself is left alone."""
    entry = find(request, services)
    image = entry.listing.read()["image"]["name"]
    forget_container(
        entry, services.containers, services.audit, services.clock, image=image, caller=request.caller_name
    )
    return Response(204, media_type=None)


@dataclass(frozen=True, slots=True)
class KnownContainer:
    """The path must name a container, before its body is looked at: 404."""

    @property
    def answers(self) -> Mapping[int, str]:
        """404."""
        return {404: "No container has this id."}

    @property
    def parameters(self) -> Sequence[Mapping[str, Any]]:
        """None."""
        return ()

    def __call__(self, request: Request, services: Services, /) -> Headers:
        """Raise NotFound when no container has this id."""
        find(request, services)
        return ()


def find(request: Request, services: Services) -> Entry:
    """The container the path names by its full Docker id. Raises NotFound."""
    entry = services.fleet.fleet().find(request.path_params["id"])
    if entry is None:
        raise NotFound("No container has this id. Ids are the engine's, in full; a recreated container has a new one.")
    return entry


def show(entry: Entry, services: Services) -> object:
    """One container as it stands, with the findings of its scans."""
    body = wire.present(entry, entry.standing(services.clock.now()))
    with_findings([body], services)
    return body
