"""Running a program once from an image: a container that is watched by nobody, bounded, and removed when it is done."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag
from requests import RequestException

from chalicelib.ports.engine import EngineError
from local_runtime.engine.client import Client, Tls, connect, translated

LABELS = {"dd.watch": "false", "slipway.role": "tool"}
OUTPUT_LIMIT = 50 * 1024 * 1024
_COMPLAINT_KEPT = 64 * 1024


class OutOfTime(EngineError):
    """The program did not end in time and was removed."""


class TooLoud(EngineError):
    """The program wrote too much and was removed."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended: exit code, standard output, the end of its standard error."""

    code: int
    output: bytes
    complaint: str


def run_once(
    base_url: str,
    tls: Tls | None,
    image: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    *,
    binds: Mapping[str, str],
    host_network: bool,
) -> Ended:
    """Run the image with these arguments; `binds` are volumes or paths, by where they are mounted.

    Raises EngineError.
    """
    with translated():
        client = connect(base_url, tls, seconds)
        try:
            return _run(client, image, arguments, environment, seconds, binds, host_network)
        finally:
            client.close()


def _run(
    client: Client,
    image: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    seconds: float,
    binds: Mapping[str, str],
    host_network: bool,
) -> Ended:
    host = client.create_host_config(
        binds=[f"{source}:{place}" for place, source in binds.items()],
        network_mode="host" if host_network else "bridge",
        security_opt=["no-new-privileges"],
    )
    settings: dict[str, Any] = {
        "command": list(arguments),
        "environment": dict(environment),
        "labels": LABELS,
        "host_config": host,
        "name": f"slipway-tool-{uuid.uuid4().hex[:12]}",
    }
    try:
        made = client.create_container(image, **settings)
    except ImageNotFound:
        repository, tag = parse_repository_tag(image)
        client.pull(repository, tag=tag or "latest")
        made = client.create_container(image, **settings)
    late = threading.Event()
    guard = threading.Timer(seconds, _end_late, (client, made["Id"], late))
    try:
        # Attached before the start, so that nothing of what it writes is missed.
        stream = client.attach(made["Id"], stdout=True, stderr=True, stream=True, demux=True)
        guard.start()
        client.start(made["Id"])
        output, complaint = _follow(stream, image)
        code = int(client.wait(made["Id"])["StatusCode"])
    finally:
        guard.cancel()
        with suppress(APIError, RequestException):
            client.remove_container(made["Id"], force=True, v=True)
    if late.is_set():
        raise OutOfTime(f"{image} was stopped after {seconds:g} seconds")
    return Ended(code, output, complaint.decode(errors="replace"))


def _end_late(client: Client, container: str, late: threading.Event) -> None:
    late.set()
    with suppress(APIError, RequestException):
        client.kill(container)


def _follow(stream: Iterable[tuple[bytes | None, bytes | None]], image: str) -> tuple[bytes, bytes]:
    output, complaint = bytearray(), b""
    for out, err in stream:
        output += out or b""
        complaint = (complaint + (err or b""))[-_COMPLAINT_KEPT:]
        if len(output) > OUTPUT_LIMIT:
            raise TooLoud(f"{image} was stopped because it wrote more than {OUTPUT_LIMIT // 1024} kB")
    return bytes(output), complaint
