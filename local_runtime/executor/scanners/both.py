"""Two scanners as one: what either finds is found."""

from __future__ import annotations

from collections.abc import Sequence

from chalicelib.domain.vulnerability import Vulnerability, united
from chalicelib.ports.scanner import Scanner, ScannerError, Subject


class Both:
    """Trivy and Grype together."""

    name = "both"

    def __init__(self, first: Scanner, second: Scanner) -> None:
        self._scanners = (first, second)

    def scan(self, subject: Subject) -> Sequence[Vulnerability]:
        """The union. Raises ScannerError when either fails: half a result would pass for a whole one."""
        first, second = self._scanners
        return united(first.scan(subject), second.scan(subject))

    def warm(self) -> None:
        """Both databases; that of one is fetched even when the other's cannot be."""
        trouble: ScannerError | None = None
        for scanner in self._scanners:
            try:
                scanner.warm()
            except ScannerError as error:
                trouble = error
        if trouble is not None:
            raise trouble

    def database(self) -> str:
        """Of both; when neither tells, nothing."""
        dates = [scanner.database() for scanner in self._scanners]
        return " ".join(date or "-" for date in dates) if any(dates) else ""
