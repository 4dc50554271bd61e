"""Running a tool from its image through a watched engine, for machines that have no such program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chalicelib.config import WatcherSettings
from chalicelib.ports.engine import EngineError
from chalicelib.ports.scanner import ScannerError
from local_runtime.engine.client import Tls
from local_runtime.engine.one_shot import OutOfTime, TooLoud, run_once
from local_runtime.executor.scanners.process import Finished, Launch, ToolTooLoud, ToolTooSlow

CACHE = "slipway-trivy-cache"
"""The volume that keeps Trivy's database between runs."""
_CACHE_PLACE = "/root/.cache/trivy"
_SOCKET = "unix://"
_SOCKET_PLACE = "/var/run/docker.sock"
_LOOPBACK = ("127.", "localhost", "[::1]")


def launcher(image: str, engine: WatcherSettings) -> Launch:
    """Runs command lines of Trivy, without their first word, from its image."""
    files = (engine.ca_file, engine.cert_file, engine.key_file)
    tls = Tls(*files) if any(files) else None

    def launch(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Finished:
        arguments = list(command[1:])
        binds = {_CACHE_PLACE: CACHE}
        if "docker" in arguments and engine.base_url.startswith(_SOCKET):
            binds[_SOCKET_PLACE] = engine.base_url.removeprefix(_SOCKET)
        inside = {name: value for name, value in environment.items() if name != "DOCKER_HOST"}
        # A registry on the engine's own loopback can be reached from its own network alone.
        host_network = arguments[-1].startswith(_LOOPBACK)
        try:
            ended = run_once(
                engine.base_url, tls, image, arguments, inside, seconds, binds=binds, host_network=host_network
            )
        except OutOfTime as error:
            raise ToolTooSlow(str(error)) from error
        except TooLoud as error:
            raise ToolTooLoud(str(error)) from error
        except EngineError as error:
            raise ScannerError(f"{image} could not be run: {error}") from error
        return Finished(ended.code, ended.output, ended.complaint)

    return launch
