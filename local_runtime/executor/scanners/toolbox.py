"""The tools that are configured, ready for use."""

from __future__ import annotations

from pathlib import Path

from chalicelib.ports.clock import Clock
from chalicelib.ports.scanner import SbomMaker, Scanner
from chalicelib.settings_security import SecuritySettings, ToolSettings
from chalicelib.usecases.assess_image import Instruments
from local_runtime.executor.scanners.both import Both
from local_runtime.executor.scanners.call import Call
from local_runtime.executor.scanners.cosign import Cosign
from local_runtime.executor.scanners.grype import Grype
from local_runtime.executor.scanners.process import Launch, run
from local_runtime.executor.scanners.syft import Syft
from local_runtime.executor.scanners.trivy import Trivy


def instruments(settings: SecuritySettings, data: Path, clock: Clock, in_container: Launch | None) -> Instruments:
    """What the settings name. `in_container` runs Trivy from its image; `data` is where its cache is kept."""
    environment = dict(settings.tool_environment)

    def call(tool: ToolSettings) -> Call:
        return Call(tool.command, run, environment, tool.seconds, clock)

    cosign = Cosign(
        call(settings.cosign),
        key=settings.cosign_key,
        identity=settings.cosign_identity,
        issuer=settings.cosign_issuer,
        extra=settings.cosign.arguments,
    )
    verifier = cosign if settings.verify_signatures else None
    if not settings.scanner:
        return Instruments(verifier=verifier)
    trivy = _trivy(settings, data, clock, in_container)
    updates = environment.get("GRYPE_DB_AUTO_UPDATE", "true").lower() not in ("false", "f", "0")
    grype = Grype(call(settings.grype), extra=settings.grype.arguments, updates=updates)
    scanners: dict[str, Scanner] = {"trivy": trivy, "grype": grype, "both": Both(trivy, grype)}
    maker: SbomMaker = trivy
    if settings.scanner == "grype":
        maker = Syft(call(settings.syft), extra=settings.syft.arguments)
    return Instruments(scanners[settings.scanner], verifier, maker)


def _trivy(settings: SecuritySettings, data: Path, clock: Clock, in_container: Launch | None) -> Trivy:
    tool = settings.trivy
    if settings.trivy_image and in_container is not None:
        call = Call(("trivy",), in_container, {}, tool.seconds, clock)
    else:
        # A cache of our own: nobody else on this machine gets into its way.
        cache = {"TRIVY_CACHE_DIR": str(data.resolve() / "trivy")}
        call = Call(tool.command, run, cache | dict(settings.tool_environment), tool.seconds, clock)
    return Trivy(call, server=settings.trivy_server, image_source=settings.trivy_source, extra=tool.arguments)
