"""A host whose containers can be looked into as well: it has a log, meters, a scanner and bills of materials."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.domain.security import SbomReport, Scan, ScanReport, subject_key
from chalicelib.domain.stats import Sample
from chalicelib.domain.vulnerability import Vulnerability, summarise
from chalicelib.wire.log_line import kept_entries
from local_runtime.executor.observing.logs import text
from tests.builders.containers import NOW
from tests.fakes.host import FakeHost

LOG = (
    LogLine("stdout", "2026-11-23T11:00:00.000000001Z", "starting"),
    LogLine("stderr", "2026-11-23T11:00:01.000000000Z", "a warning"),
    LogLine("stdout", "2026-11-23T11:59:00.000000000Z", "ready"),
)
FINDING = Vulnerability(
    "CVE-2023-45853", "CRITICAL", "web (debian)", "zlib1g", "1.2", "1.3", "Overflow", "https://x.test/1"
)
SAMPLES = (Sample(NOW - timedelta(seconds=10), 1.5, 10, 100, 1, 2, 3, 4), Sample(NOW, 2.5, 20, 100, 2, 3, 4, 5))


class LookingHost(FakeHost):
    """Answers at once, like the host it is."""

    @property
    def _kinds(self) -> Mapping[CommandKind, Callable[[Command], Mapping[str, Any]]]:
        looking = {
            CommandKind.LOGS: self._logs,
            CommandKind.SCAN: self._scan,
            CommandKind.SBOM: self._sbom,
            CommandKind.SAMPLE: self._sample,
            CommandKind.LOG_ENTRIES: lambda _: {"entries": kept_entries(100)},
        }
        return {**super()._kinds, **looking}

    def _logs(self, command: Command) -> Mapping[str, Any]:
        self._found(command)
        query = LogQuery.of(command.arguments["query"])
        since = query.since.isoformat() if query.since is not None else ""
        lines = [one for one in LOG if query.wants(one.stream) and one.ts >= since][-query.tail :]
        packed = gzip.compress(text(lines, timestamps=bool(command.arguments["timestamps"])).encode(), mtime=0)
        results, now = self.services.results, self.services.clock.now()
        return {"pieces": results.put(command.agent, command.id, packed, now)}

    def _scan(self, command: Command) -> Mapping[str, Any]:
        container, now = self._found(command), self.services.clock.now()
        digest, counts = container.image.identifying_digest, summarise([FINDING])
        subject = subject_key(digest, "linux", "amd64", None)
        name = container.image.reference
        self.services.reports.put_scan(ScanReport(subject, "trivy", name, digest, now, counts, (FINDING,)))
        scan = Scan("trivy", name, digest, now, ("CRITICAL", "HIGH"), counts)
        scanned = replace(container, security=replace(container.security, scan=scan))
        self.running[container.identity] = scanned
        self.services.containers.save([scanned])
        return {"status": scan.status}

    def _sbom(self, command: Command) -> Mapping[str, Any]:
        container, now = self._found(command), self.services.clock.now()
        subject = subject_key(container.image.identifying_digest, "linux", "amd64", None)
        format = str(command.arguments["format"])
        document = json.dumps({"name": container.image.reference, "packages": []}).encode()
        self.services.reports.put_sbom(SbomReport(subject, format, "trivy", container.image.reference, now, document))
        return {"subject": subject}

    def _sample(self, command: Command) -> Mapping[str, Any]:
        """Every running container of the agent, whoever was asked about."""
        now, samples = self.services.clock.now(), self.services.samples
        running = [one for one in self.running.values() if one.identity.agent == command.agent]
        for one in running:
            samples.put(one.identity, SAMPLES, now)
        samples.put_fleet(command.agent, {one.identity.key: SAMPLES[-1] for one in running}, now)
        return {}
