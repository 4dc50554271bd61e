"""The settings of scans, signatures, bills of materials and the gate: `DD_SECURITY_*`, read by `config`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.gate import AVAILABILITY, BLOCK, GateRules
from chalicelib.domain.security import SBOM_FORMATS, SPDX
from chalicelib.domain.vulnerability import SEVERE, SEVERITIES
from chalicelib.settings_reader import Reader, cron

SCANNERS = ("", "trivy", "grype", "both")

_FOR_TOOLS = re.compile(
    r"^(?:PATH|HOME|TMPDIR|LANG|LC_ALL|XDG_\w+|SSL_CERT_(?:FILE|DIR)|DOCKER_CONFIG|(?:https?|no|all)_proxy"
    r"|(?:HTTPS?|NO|ALL)_PROXY|(?:TRIVY|GRYPE|SYFT|COSIGN|SIGSTORE)_\w+)$"
)


@dataclass(frozen=True, slots=True)
class ToolSettings:
    """How a program is called: the command line it begins with, its limit in seconds, further arguments."""

    command: tuple[str, ...]
    seconds: float
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecuritySettings:
    """What to look for in images, with which programs, and what to do about it."""

    scanner: str = ""
    """trivy, grype, both, or nothing."""
    block_severities: tuple[str, ...] = SEVERE
    trivy: ToolSettings = ToolSettings(("trivy",), 600.0)
    trivy_image: str | None = None
    """Run Trivy from this image through the engine, not from a program on this machine."""
    trivy_server: str | None = None
    trivy_source: str | None = None
    grype: ToolSettings = ToolSettings(("grype",), 600.0)
    syft: ToolSettings = ToolSettings(("syft",), 600.0)
    cosign: ToolSettings = ToolSettings(("cosign",), 60.0)
    cosign_key: str | None = None
    cosign_identity: str | None = None
    cosign_issuer: str | None = None
    verify_signatures: bool = False
    sbom: bool = False
    sbom_formats: tuple[str, ...] = (SPDX,)
    scan_cron: str = ""
    scan_jitter_ms: int = 60000
    scan_concurrency: int = 4
    scan_batch_seconds: float = 1800.0
    scan_notifications: bool = False
    """Whether rounds by the clock tell triggers of what they find; the audit log has it in any case."""
    gate: GateRules = GateRules()  # noqa: RUF009
    prune_on_block: bool = True
    tool_environment: Mapping[str, str] = field(default_factory=dict)
    """What of our own environment a program is given: no setting of ours, and no credential."""


def read_security(reader: Reader) -> SecuritySettings:
    """The settings of this environment. Raises BadSetting."""
    schedule = reader.text("DD_SECURITY_SCAN_CRON", "")
    defaults = SecuritySettings()
    scanner = reader.one_of("DD_SECURITY_SCANNER", SCANNERS, "")
    return SecuritySettings(
        scanner=scanner,
        block_severities=_severities(reader.get("DD_SECURITY_BLOCK_SEVERITY")),
        trivy=ToolSettings(
            _words(reader.text("DD_SECURITY_TRIVY_COMMAND", "trivy")),
            reader.number("DD_SECURITY_TRIVY_TIMEOUT", 600_000, 100, 7_200_000) / 1000,
            _words(reader.text("DD_SECURITY_TRIVY_ARGS", "")),
        ),
        trivy_image=reader.get("DD_SECURITY_TRIVY_IMAGE") or None,
        trivy_server=reader.get("DD_SECURITY_TRIVY_SERVER") or None,
        trivy_source=reader.get("DD_SECURITY_TRIVY_IMAGE_SRC") or None,
        grype=ToolSettings(
            _words(reader.text("DD_SECURITY_GRYPE_COMMAND", "grype")),
            reader.number("DD_SECURITY_GRYPE_TIMEOUT", 600_000, 100, 7_200_000) / 1000,
            _words(reader.text("DD_SECURITY_GRYPE_ARGS", "")),
        ),
        syft=ToolSettings(
            _words(reader.text("DD_SECURITY_SYFT_COMMAND", "syft")),
            reader.number("DD_SECURITY_SYFT_TIMEOUT", 600_000, 100, 7_200_000) / 1000,
            _words(reader.text("DD_SECURITY_SYFT_ARGS", "")),
        ),
        cosign=ToolSettings(
            _words(reader.text("DD_SECURITY_COSIGN_COMMAND", "cosign")),
            reader.number("DD_SECURITY_COSIGN_TIMEOUT", 60_000, 100, 7_200_000) / 1000,
            _words(reader.text("DD_SECURITY_COSIGN_ARGS", "")),
        ),
        cosign_key=reader.get("DD_SECURITY_COSIGN_KEY") or None,
        cosign_identity=reader.get("DD_SECURITY_COSIGN_IDENTITY") or None,
        cosign_issuer=reader.get("DD_SECURITY_COSIGN_ISSUER") or None,
        verify_signatures=reader.flag("DD_SECURITY_VERIFY_SIGNATURES", False),
        sbom=reader.flag("DD_SECURITY_SBOM_ENABLED", False),
        sbom_formats=_formats(reader.get("DD_SECURITY_SBOM_FORMATS")),
        scan_cron=cron("DD_SECURITY_SCAN_CRON", schedule) if schedule else "",
        scan_jitter_ms=reader.number("DD_SECURITY_SCAN_JITTER", defaults.scan_jitter_ms, 0, 86_400_000),
        scan_concurrency=reader.number("DD_SECURITY_SCAN_CONCURRENCY", defaults.scan_concurrency, 1, 32),
        scan_batch_seconds=reader.number("DD_SECURITY_SCAN_BATCH_TIMEOUT", 1_800_000, 1000, 86_400_000) / 1000,
        scan_notifications=reader.flag("DD_SECURITY_SCAN_NOTIFICATIONS", False),
        gate=GateRules(
            on=reader.one_of("DD_SECURITY_GATE_MODE", ("on", "off"), "on") == "on",
            relative=reader.flag("DD_SECURITY_GATE_RELATIVE", False),
            availability=reader.one_of("DD_SECURITY_AVAILABILITY_POLICY", AVAILABILITY, BLOCK),
            scans=bool(scanner),
        ),
        prune_on_block=reader.flag("DD_SECURITY_PRUNE_ONBLOCK", True),
        tool_environment={name: value for name, value in reader.environment.items() if _FOR_TOOLS.match(name)},
    )


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError:
        # An unclosed quote: the words as they stand fail with a message of the tool's own.
        return tuple(text.split())


def _listed(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _severities(text: str | None) -> tuple[str, ...]:
    """The words we know; NONE, or none that we know, makes scans advice only."""
    if not text:
        return SEVERE
    wanted = {word.upper() for word in _listed(text)}
    return tuple(severity for severity in SEVERITIES if severity in wanted)


def _formats(text: str | None) -> tuple[str, ...]:
    wanted = {word.lower() for word in _listed(text or "")}
    return tuple(format for format in SBOM_FORMATS if format in wanted) or (SPDX,)
