"""What is known of images' safety: findings, bills of materials, scans on demand."""

from __future__ import annotations

from chalicelib.domain.command import CommandKind, about_sbom
from chalicelib.domain.errors import Invalid, NotFound
from chalicelib.domain.fleet import Entry
from chalicelib.domain.security import SBOM_FORMATS, SPDX, SbomReport
from chalicelib.ports.services import Services
from chalicelib.usecases.order import Ordering
from chalicelib.wire import json
from chalicelib.wire import query as query_wire
from chalicelib.wire import security as wire
from chalicelib.wire import security_overview as overview_wire
from handlers.containers import LIST_PATH, find, show
from handlers.hosts import accepted, command_location, on_container, ordering, result
from handlers.http import Request

OVERVIEW_PATH = f"{LIST_PATH}/security/vulnerabilities"


def scan_container(request: Request, services: Services) -> object:
    """Look into the image a container runs and the one it could move to; the container with what was found."""
    entry = find(request, services)
    _require_scanner(entry, ordering(request, services))

    def answer() -> object:
        current = services.fleet.fleet().at(entry.listing.identity)
        if current is None:
            raise NotFound("The container has been removed meanwhile.")
        return show(current, services)

    return on_container(request, services, entry, CommandKind.SCAN, answer)


def get_vulnerabilities(request: Request, services: Services) -> object:
    """The newest scan of a container, whole."""
    container = find(request, services).listing.read()
    scan = wire.newest(container.get("security", {}))
    if scan is None:
        return wire.NOT_SCANNED
    subject = wire.subject_of_scan(container, scan)
    report = services.reports.scan(subject)
    return dict(scan) | {"vulnerabilities": [wire.finding(one) for one in report.findings] if report else []}


def list_vulnerabilities(request: Request, services: Services) -> object:
    """The findings of all running images, by container name."""
    limit, offset = query_wire.paging(request.query)
    entries = services.fleet.fleet().entries
    scanned = [(entry, entry.listing.read()) for entry in entries]
    scanned = [(entry, body) for entry, body in scanned if "scan" in body.get("security", {})]
    subjects = {wire.subject_of_scan(body, body["security"]["scan"]) for _, body in scanned}
    reports = services.reports.scans(subjects)
    groups = overview_wire.groups([body for _, body in scanned], reports)
    return overview_wire.write(
        groups, total_containers=len(entries), limit=limit, offset=offset, path=OVERVIEW_PATH, query=request.query
    )


def get_sbom(request: Request, services: Services) -> object:
    """The bill of materials of the image a container runs, made when there is none yet."""
    format = _format(request)
    entry = find(request, services)
    found = _stored_sbom(entry, format, services)
    if found is None:
        orders = ordering(request, services)
        _require_scanner(entry, orders)
        identity = entry.listing.identity
        command = orders.wait(
            orders.order(identity.agent, CommandKind.SBOM, about_sbom(identity, entry.listing.id, format))
        )
        if not command.ended:
            return accepted(command.id, command_location(command), "The bill of materials is being made.")
        subject = str(result(command).result["subject"])
        found = services.reports.sbom(subject, format)
    if found is None:
        raise NotFound("The bill of materials has been replaced meanwhile; ask again.")
    return wire.sbom_answer(found, json.loads(found.document))


def _stored_sbom(entry: Entry, format: str, services: Services) -> SbomReport | None:
    return services.reports.sbom(wire.subject_of_running(entry.listing.read()), format)


def _format(request: Request) -> str:
    text = (query_wire.first(request.query, "format") or SPDX).strip().lower()
    if text not in SBOM_FORMATS:
        raise Invalid(f"format must be one of: {', '.join(SBOM_FORMATS)}")
    return text


def _require_scanner(entry: Entry, orders: Ordering) -> None:
    """Raise Invalid unless the container's agent has a scanner, Failed when it is not connected."""
    identity = entry.listing.identity
    agent = next((one for one in orders.agents.all() if one.name == identity.agent), None)
    if agent is None or not agent.facts.get("security", {}).get("scanner"):
        raise Invalid("No security scanner is configured. Set DD_SECURITY_SCANNER on the container's agent.")
    orders.require_connected(identity.agent)
