"""Looking at containers: their logs and what they use."""

from __future__ import annotations

import gzip

from chalicelib.domain.log import download_name
from chalicelib.ports.services import Services
from chalicelib.usecases.read_logs import order_logs
from chalicelib.wire import log as log_wire
from handlers.containers import find
from handlers.finish import wants_gzip
from handlers.hosts import accepted, command_location, ordering, result
from handlers.http import Refused, Request, Response

TEXT = "text/plain; charset=utf-8"
_EMPTY = gzip.compress(b"", mtime=0)


def download_logs(request: Request, services: Services) -> Response:
    """The container's log as a text file, compressed when the client likes that."""
    entry = find(request, services)
    query, timestamps = log_wire.download(request.query)
    packed = _EMPTY
    if not query.nothing:
        command = order_logs(entry, query, ordering(request, services), timestamps=timestamps)
        if not command.ended:
            return accepted(command.id, command_location(command), "The log is still being read. Ask again.")
        if command.result.get("error_kind") == "TooLarge":
            raise Refused(413, str(command.result.get("error")))
        packed = services.results.take(command.agent, command.id, int(result(command).result["pieces"]))
    name = download_name(entry.listing.identity.name)
    if services.settings.compression and wants_gzip(request.headers.get("accept-encoding", "")):
        headers = (_attachment(f"{name}.gz"), ("Content-Encoding", "gzip"))
        return Response(200, packed, headers, TEXT)
    return Response(200, gzip.decompress(packed), (_attachment(name),), TEXT)


def _attachment(name: str) -> tuple[str, str]:
    return "Content-Disposition", f'attachment; filename="{name}"'
