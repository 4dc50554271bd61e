"""Trivy: vulnerabilities and bills of materials; one at a time, for its cache takes one user."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from chalicelib.domain.security import CYCLONEDX, SPDX
from chalicelib.domain.vulnerability import Vulnerability, severity_of
from chalicelib.ports.scanner import Subject
from local_runtime.executor.scanners.call import Call, platform_of, safe, secrets_of
from local_runtime.executor.scanners.database import Database
from local_runtime.executor.scanners.document import Document, NoReport, inner, link, members, read, text
from local_runtime.executor.scanners.sbom import require_sbom

_SEVERITIES = "UNKNOWN,LOW,MEDIUM,HIGH,CRITICAL"
_FORMATS = {SPDX: "spdx-json", CYCLONEDX: "cyclonedx"}
_MARKS = ("SchemaVersion", "ArtifactName", "Results")


class Trivy:
    """The binary, a client of a Trivy server, or its image, depending on what `call` launches."""

    name = "trivy"

    def __init__(
        self, call: Call, *, server: str | None = None, image_source: str | None = None, extra: Sequence[str] = ()
    ) -> None:
        self._call = call
        self._server = server
        self._image_source = image_source
        self._extra = tuple(extra)
        # A server keeps the database; its clients do not get into each other's way.
        self._turn: AbstractContextManager[object] = nullcontext() if server else threading.Lock()
        describe = ["version", "--format", "json", *(("--server", server) if server else ())]
        self._database = Database(self.name, call, describe, _database_date)

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        """Everything Trivy finds. Raises ScannerError."""
        found = parse(self._image(subject, ["--format", "json", "--scanners", "vuln", "--severity", _SEVERITIES]))
        # The tool may have fetched a newer database first.
        self._database.forget()
        return found

    def warm(self) -> None:
        """Download the database before anybody waits for it; a server has its own."""
        if not self._server:
            with self._turn:
                self._call.output(["image", "--quiet", "--download-db-only"], {})
        self._database.forget()

    def database(self) -> str:
        """When its database was made, in its own words."""
        with self._turn:
            return self._database.date()

    def make(self, subject: Subject, format: str) -> bytes:
        """A bill of materials, as JSON text. Raises ScannerError."""
        return require_sbom(self.name, format, self._image(subject, ["--format", _FORMATS[format]]))

    def _image(self, subject: Subject, what: Sequence[str]) -> bytes:
        source = self._image_source or ("docker" if subject.local else "remote")
        arguments = [
            *("image", "--quiet", *what, "--timeout", f"{self._call.seconds:g}s"),
            *("--image-src", source, "--platform", platform_of(subject)),
            *(("--server", self._server) if self._server else ()),
            *self._extra,
            safe(subject.reference),
        ]
        with self._turn:
            return self._call.output(arguments, _environment(subject), secrets_of(subject.auth))


def parse(output: bytes) -> list[Vulnerability]:
    """The findings of a report, of schema 2 or of the bare list that Trivy wrote before 0.20. Raises NoReport."""
    document = read("trivy", output)
    if isinstance(document, dict):
        # A clean image has no Results at all; an object that is no report must not pass for one.
        if not any(mark in document for mark in _MARKS):
            raise NoReport("trivy wrote an object that is no report")
        document = document.get("Results")
    elif not isinstance(document, list):
        raise NoReport("trivy wrote something that is no report")
    return [
        _finding(one, text(result.get("Target")))
        for result in members("trivy", document, "Results")
        for one in members("trivy", result.get("Vulnerabilities"), "Vulnerabilities")
    ]


def _finding(one: Mapping[str, object], target: str | None) -> Vulnerability:
    links = one.get("References")
    first = links[0] if isinstance(links, list) and links else None
    vendors = one.get("VendorIDs")
    return Vulnerability(
        id=text(one.get("VulnerabilityID")) or "unknown",
        severity=severity_of(one.get("Severity")),
        target=text(one.get("PkgPath")) or target,
        package=text(one.get("PkgName")),
        installed=text(one.get("InstalledVersion")),
        fixed=text(one.get("FixedVersion")),
        title=text(one.get("Title")),
        url=link(one.get("PrimaryURL")) or link(first),
        published=text(one.get("PublishedDate")),
        scanners=("trivy",),
        aliases=tuple(name for name in map(text, vendors) if name) if isinstance(vendors, list) else (),
    )


def _database_date(version: Document) -> object:
    return inner(version.get("VulnerabilityDB")).get("UpdatedAt")


def _environment(subject: Subject) -> dict[str, str]:
    environment = {}
    if subject.auth is not None and subject.auth.identity_token:
        environment["TRIVY_REGISTRY_TOKEN"] = subject.auth.identity_token
    elif subject.auth is not None:
        environment |= {"TRIVY_USERNAME": subject.auth.username, "TRIVY_PASSWORD": subject.auth.password}
    if subject.local and subject.engine_url:
        environment["DOCKER_HOST"] = subject.engine_url
    return environment
