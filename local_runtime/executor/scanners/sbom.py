"""Bills of materials: that a document is one, of the format asked for."""

from __future__ import annotations

from chalicelib.domain.security import CYCLONEDX, SPDX
from local_runtime.executor.scanners.document import NoReport, read

_MARKS = {SPDX: "spdxVersion", CYCLONEDX: "bomFormat"}


def require_sbom(tool: str, format: str, output: bytes) -> bytes:
    """The same text, once it has been seen to be such a document. Raises NoReport."""
    document = read(tool, output)
    if not isinstance(document, dict) or _MARKS[format] not in document:
        raise NoReport(f"{tool} wrote no {format} document")
    return output.strip()
