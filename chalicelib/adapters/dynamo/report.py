"""Scans and bills of materials in DynamoDB, by subject: deflated, in pieces below its limit for an item."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import ReportModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.security import SbomReport, ScanReport
from chalicelib.wire import json
from chalicelib.wire import security as wire

PIECE = 300_000
KEPT = timedelta(days=180)
"""How long a report outlives its making; every new scan of the image makes it anew."""

_SCAN = "scan"
_READ_AT_ONCE = 25
_TRIES = 3


class DynamoReports:
    """One item per report; what does not fit into it lies beside it, under a version of its own.

    The item is written last and names the version, so a reader sees the old report or the new one, whole.
    """

    def scan(self, subject: str) -> ScanReport | None:
        """The last good scan of a subject."""
        return self.scans([subject]).get(subject)

    def scans(self, subjects: Iterable[str]) -> Mapping[str, ScanReport]:
        """The last good scans of many, those that there are."""
        keys = [(subject, _SCAN) for subject in dict.fromkeys(subjects)]
        found = {}
        with translated("reports"):
            for start in range(0, len(keys), _READ_AT_ONCE):
                for item in ReportModel.batch_get(keys[start : start + _READ_AT_ONCE], consistent_read=True):
                    data = _data(item)
                    if data is not None:
                        found[item.subject] = wire.load_scan(item.subject, json.loads(data))
        return found

    def put_scan(self, report: ScanReport) -> None:
        """Keep a good scan."""
        _put(report.subject, _SCAN, {}, json.dumps(wire.store_scan(report)), report.scanned_at)

    def sbom(self, subject: str, format: str) -> SbomReport | None:
        """The bill of materials of a subject in one format."""
        with translated("reports"):
            for _ in range(_TRIES):
                item = _head(subject, format)
                if item is None:
                    return None
                document = _data(item)
                if document is not None:
                    return wire.load_sbom(subject, format, blob.unpack(item.about), document)
        return None

    def put_sbom(self, report: SbomReport) -> None:
        """Keep a bill of materials."""
        _put(report.subject, report.format, wire.store_sbom(report), report.document, report.generated_at)


def _put(subject: str, part: str, about: Mapping[str, Any], data: bytes, made_at: datetime) -> None:
    packed = zlib.compress(data, 6)
    version = hashlib.sha256(packed).hexdigest()[:24]
    expires = int((made_at + KEPT).timestamp())
    pieces = [packed[start : start + PIECE] for start in range(0, len(packed), PIECE)]
    beside = pieces if len(pieces) > 1 else []
    with translated("a report"):
        former = _head(subject, part)
        with ReportModel.batch_write() as batch:
            for number, piece in enumerate(beside):
                batch.save(ReportModel(subject, _piece(part, version, number), data=piece, expires_at=expires))
        ReportModel(
            subject,
            part,
            about=blob.pack(about),
            version=version,
            pieces=len(beside),
            data=None if beside else packed,
            expires_at=expires,
        ).save()
        if former is not None and former.version != version and former.pieces:
            with ReportModel.batch_write() as batch:
                for number in range(int(former.pieces)):
                    batch.delete(ReportModel(subject, _piece(part, former.version, number)))


def _head(subject: str, part: str) -> ReportModel | None:
    try:
        return ReportModel.get(subject, part, consistent_read=True)
    except ReportModel.DoesNotExist:
        return None


def _data(head: ReportModel) -> bytes | None:
    """What a report holds; None when its pieces have been replaced since it was read."""
    if head.data is not None:
        return zlib.decompress(head.data)
    keys = [(head.subject, _piece(head.part, head.version, number)) for number in range(int(head.pieces or 0))]
    found: dict[str, bytes] = {}
    for start in range(0, len(keys), _READ_AT_ONCE):
        for item in ReportModel.batch_get(keys[start : start + _READ_AT_ONCE], consistent_read=True):
            found[item.part] = item.data
    if len(found) < len(keys):
        return None
    return zlib.decompress(b"".join(found[part] for _, part in keys))


def _piece(part: str, version: str | None, number: int) -> str:
    return f"{part}#{version}#{number:04d}"
