"""What is known of an image's safety: as the API shows it, as a container keeps it, and as reports are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.security import (
    NOTHING_KNOWN,
    RelativeGate,
    Sbom,
    SbomReport,
    Scan,
    ScanReport,
    Security,
    Signature,
    subject_key,
)
from chalicelib.domain.vulnerability import SEVERITIES, Summary, Vulnerability
from chalicelib.wire import moment

Json = dict[str, Any]

SCANS = ("scan", "updateScan")
NOT_SCANNED: Json = {
    "status": "not-scanned",
    "blockSeverities": [],
    "blockingCount": 0,
    "summary": dict.fromkeys((severity.lower() for severity in reversed(SEVERITIES)), 0),
    "vulnerabilities": [],
}
_MEMBERS = {
    "id": "id",
    "severity": "severity",
    "target": "target",
    "packageName": "package",
    "installedVersion": "installed",
    "fixedVersion": "fixed",
    "title": "title",
    "primaryUrl": "url",
    "publishedDate": "published",
}


def write(security: Security) -> Json | None:
    """The `security` member of a container, without the findings, which are kept apart; None when nothing is known."""
    body = {
        "scan": _scan(security.scan),
        "updateScan": _scan(security.update_scan),
        "signature": _signature(security.signature),
        "updateSignature": _signature(security.update_signature),
        "sbom": _sbom(security.sbom),
        "updateSbom": _sbom(security.update_sbom),
    }
    return _present(body) or None


def read(body: Mapping[str, Any] | None, blocked: str | None) -> Security:
    """The same back; `blocked` is kept among the facts."""
    if body is None and blocked is None:
        return NOTHING_KNOWN
    body = body or {}
    return Security(
        scan=_read_scan(body.get("scan")),
        update_scan=_read_scan(body.get("updateScan")),
        signature=_read_signature(body.get("signature")),
        update_signature=_read_signature(body.get("updateSignature")),
        sbom=_read_sbom(body.get("sbom")),
        update_sbom=_read_sbom(body.get("updateSbom")),
        blocked=blocked,
    )


def subject_of_scan(container: Mapping[str, Any], scan: Mapping[str, Any]) -> str:
    """What the findings of one of a container's scans are kept by."""
    return _subject(container["image"], scan["imageDigest"])


def subject_of_running(container: Mapping[str, Any]) -> str:
    """What results of the running image are kept by: its own repository's digest, else its id."""
    image = container["image"]
    own = image["digest"].get("repo") or ""
    return _subject(image, own.rpartition("@")[2] or image["id"])


def finding(found: Vulnerability) -> Json:
    """One vulnerability."""
    body = {name: getattr(found, member) for name, member in _MEMBERS.items()}
    return _present(body | {"scanners": list(found.scanners) or None})


def overview_row(found: Vulnerability) -> Json:
    """One vulnerability as the overview of all images shows it."""
    return {
        "id": found.id,
        "severity": found.severity,
        "package": found.package or "unknown",
        "version": found.installed or "",
        "fixedIn": found.fixed or "",
        "title": found.title or "",
        "target": found.target or "",
        "primaryUrl": found.url or "",
        "publishedDate": found.published or "",
    }


def sbom_answer(report: SbomReport, document: Any) -> Json:
    """The body of an SBOM request; `document` is the report's, parsed."""
    return {
        "generator": report.generator,
        "image": report.image,
        "generatedAt": moment.write(report.generated_at),
        "format": report.format,
        "document": document,
    }


def store_scan(report: ScanReport) -> Json:
    """A report of findings, to be kept."""
    return {
        "scanner": report.scanner,
        "image": report.image,
        "digest": report.digest,
        "scannedAt": moment.write(report.scanned_at),
        "summary": summary(report.summary),
        "findings": [finding(one) for one in report.findings],
        "database": report.database,
    }


def load_scan(subject: str, body: Mapping[str, Any]) -> ScanReport:
    """The same back."""
    return ScanReport(
        subject=subject,
        scanner=body["scanner"],
        image=body["image"],
        digest=body["digest"],
        scanned_at=moment.read(body["scannedAt"]),
        summary=Summary(**body["summary"]),
        findings=tuple(_read_finding(one) for one in body["findings"]),
        database=body.get("database", ""),
    )


def store_sbom(report: SbomReport) -> Json:
    """All of a bill of materials but its document."""
    return {
        "generator": report.generator,
        "image": report.image,
        "generatedAt": moment.write(report.generated_at),
    }


def load_sbom(subject: str, format: str, body: Mapping[str, Any], document: bytes) -> SbomReport:
    """The same back, with its document."""
    return SbomReport(
        subject=subject,
        format=format,
        generator=body["generator"],
        image=body["image"],
        generated_at=moment.read(body["generatedAt"]),
        document=document,
    )


def summary(counts: Summary) -> Json:
    """Counts by severity."""
    return {severity.lower(): counts.of(severity) for severity in reversed(SEVERITIES)}


def newest(security: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The newer of a container's scans."""
    scans: Sequence[Mapping[str, Any]] = [security[name] for name in SCANS if name in security]
    return max(scans, key=lambda scan: str(scan["scannedAt"]), default=None)


def _subject(image: Mapping[str, Any], digest: str) -> str:
    return subject_key(digest, image["os"], image["architecture"], image.get("variant"))


def _present(body: Json) -> Json:
    return {name: value for name, value in body.items() if value is not None}


def _scan(scan: Scan | None) -> Json | None:
    if scan is None:
        return None
    return _present(
        {
            "scanner": scan.scanner,
            "image": scan.image,
            "imageDigest": scan.digest,
            "scannedAt": moment.write(scan.scanned_at),
            "status": scan.status,
            "blockSeverities": list(scan.block_severities),
            "blockingCount": scan.blocking_count,
            "summary": summary(scan.summary),
            "vulnerabilities": [],
            "relativeGate": _relative(scan.relative),
            "error": scan.error,
        }
    )


def _read_scan(body: Mapping[str, Any] | None) -> Scan | None:
    if body is None:
        return None
    return Scan(
        scanner=body["scanner"],
        image=body["image"],
        digest=body["imageDigest"],
        scanned_at=moment.read(body["scannedAt"]),
        block_severities=tuple(body["blockSeverities"]),
        summary=Summary(**body["summary"]),
        failed=body["status"] == "error",
        error=body.get("error"),
        relative=_read_relative(body.get("relativeGate")),
    )


def _relative(relative: RelativeGate | None) -> Json | None:
    if relative is None:
        return None
    current = summary(relative.current) if relative.current is not None else None
    decision = "passed" if relative.passed else "blocked"
    return _present({"decision": decision, "reason": relative.reason, "currentSummary": current})


def _read_relative(body: Mapping[str, Any] | None) -> RelativeGate | None:
    if body is None:
        return None
    current = body.get("currentSummary")
    return RelativeGate(body["decision"] == "passed", body["reason"], Summary(**current) if current else None)


def _signature(signature: Signature | None) -> Json | None:
    if signature is None:
        return None
    return _present(
        {
            "verifier": "cosign",
            "image": signature.image,
            "imageDigest": signature.digest,
            "verifiedAt": moment.write(signature.verified_at),
            "status": signature.status,
            "keyless": signature.keyless,
            "signatures": signature.signatures,
            "error": signature.error,
        }
    )


def _read_signature(body: Mapping[str, Any] | None) -> Signature | None:
    if body is None:
        return None
    return Signature(
        image=body["image"],
        digest=body["imageDigest"],
        verified_at=moment.read(body["verifiedAt"]),
        status=body["status"],
        keyless=body["keyless"],
        signatures=body["signatures"],
        error=body.get("error"),
    )


def _sbom(sbom: Sbom | None) -> Json | None:
    if sbom is None:
        return None
    return _present(
        {
            "generator": sbom.generator,
            "image": sbom.image,
            "subjectDigest": sbom.digest,
            "generatedAt": moment.write(sbom.generated_at),
            "status": "error" if sbom.error and not sbom.formats else "generated",
            "formats": list(sbom.formats),
            "error": sbom.error,
        }
    )


def _read_sbom(body: Mapping[str, Any] | None) -> Sbom | None:
    if body is None:
        return None
    return Sbom(
        generator=body["generator"],
        image=body["image"],
        digest=body["subjectDigest"],
        generated_at=moment.read(body["generatedAt"]),
        formats=tuple(body["formats"]),
        error=body.get("error"),
    )


def _read_finding(body: Mapping[str, Any]) -> Vulnerability:
    members: Json = {member: body.get(name) for name, member in _MEMBERS.items()}
    return Vulnerability(**members, scanners=tuple(body.get("scanners", ())))
