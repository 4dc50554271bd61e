"""Grype: vulnerabilities."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.vulnerability import Vulnerability, severity_of
from chalicelib.ports.scanner import Subject
from local_runtime.executor.scanners.anchore import registry_environment, source
from local_runtime.executor.scanners.call import Call, platform_of, secrets_of
from local_runtime.executor.scanners.database import Database
from local_runtime.executor.scanners.document import Document, NoReport, inner, link, members, read, text


class Grype:
    """The binary."""

    name = "grype"

    def __init__(self, call: Call, *, extra: Sequence[str] = (), updates: bool = True) -> None:
        """`updates`: whether it may fetch a database."""
        self._call = call
        self._extra = tuple(extra)
        self._updates = updates
        self._database = Database(self.name, call, ["db", "status", "--output", "json"], _database_date)

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        """Everything Grype finds. Raises ScannerError."""
        # Not --quiet: that silences errors too.
        arguments = ["--output", "json", "--platform", platform_of(subject), *self._extra, source(subject)]
        found = parse(self._call.output(arguments, registry_environment(subject, "GRYPE"), secrets_of(subject.auth)))
        # The tool may have fetched a newer database first.
        self._database.forget()
        return found

    def warm(self) -> None:
        """Download the database before anybody waits for it."""
        if self._updates:
            # What cannot be renewed is still there to scan with.
            self._call.output(["db", "update"], {}, rests=False)
        self._database.forget()

    def database(self) -> str:
        """When its database was made, in its own words."""
        return self._database.date()


def parse(output: bytes) -> list[Vulnerability]:
    """The findings of a report. Raises NoReport."""
    document = read("grype", output)
    if not isinstance(document, dict) or "matches" not in document:
        raise NoReport("grype wrote an object that is no report")
    return [_finding(one) for one in members("grype", document["matches"], "matches")]


def _database_date(status: Document) -> object:
    return status.get("built")


def _finding(match: Document) -> Vulnerability:
    found, artifact = inner(match.get("vulnerability")), inner(match.get("artifact"))
    fix = inner(found.get("fix"))
    # Older versions write one version instead of a list.
    fixed = fix.get("versions") or found.get("fixedInVersion")
    name = text(found.get("id")) or "unknown"
    related = match.get("relatedVulnerabilities")
    names = dict.fromkeys(text(inner(one).get("id")) for one in (related if isinstance(related, list) else ()))
    urls = found.get("urls") or found.get("links")
    places = artifact.get("locations")
    place = places[0] if isinstance(places, list) and places else None
    return Vulnerability(
        id=name,
        # Grype's "Negligible" is a word of one distribution, and stands for nothing anybody assessed.
        severity=severity_of(found.get("severity")),
        target=text(inner(place).get("path") if isinstance(place, dict) else place),
        package=text(artifact.get("name")),
        installed=text(artifact.get("version")),
        fixed=text(", ".join(str(one) for one in fixed) if isinstance(fixed, list) else fixed),
        title=text(found.get("description")),
        url=link(found.get("dataSource")) or link(urls[0] if isinstance(urls, list) and urls else None),
        scanners=("grype",),
        aliases=tuple(alias for alias in names if alias not in (name, None)),
    )
