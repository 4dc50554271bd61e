"""Owns commands inside containers: begun, followed to their end within a time limit, their output taken apart."""

from __future__ import annotations

import time

from requests.exceptions import ReadTimeout
from urllib3.exceptions import ReadTimeoutError

from chalicelib.domain.post_start import Execution
from chalicelib.ports.engine import EXECUTED_OUTPUT, Executed, ExecutionLate
from local_runtime.engine.client import Client

_HEADER = 8
_KEPT = 4 * EXECUTED_OUTPUT
_PIECE = 65536
_PAUSE = 0.05


def execute(client: Client, container: str, execution: Execution, seconds: float) -> Executed:
    """Run it and wait for its end. Raises ExecutionLate, and what the SDK raises."""
    deadline = time.monotonic() + seconds
    body = {
        "Cmd": list(execution.command),
        "User": execution.user,
        "WorkingDir": execution.working_dir,
        "Env": list(execution.environment),
        "Privileged": execution.privileged,
        "AttachStdout": True,
        "AttachStderr": True,
    }
    made = str(client.post_json("/containers/{0}/exec", container, body).json()["Id"])
    try:
        output = _follow(client, made, seconds)
        while (state := client.exec_inspect(made))["Running"]:
            _require_time(deadline)
            time.sleep(_PAUSE)
    except (TimeoutError, ReadTimeoutError, ReadTimeout) as error:
        raise ExecutionLate(f"{execution.command[0]} did not end within {seconds:g} seconds") from error
    return Executed(int(state["ExitCode"] or 0), output)


def _follow(client: Client, execution: str, seconds: float) -> bytes:
    """What it writes until it ends: both outputs, out of the engine's frames. Raises TimeoutError and the like."""
    deadline = time.monotonic() + seconds
    answer = client.post_json("/exec/{0}/start", execution, {"Detach": False, "Tty": False}, idle_seconds=seconds)
    kept = bytearray()
    try:
        while piece := answer.raw.read1(_PIECE):
            kept += piece[: _KEPT - len(kept)]
            _require_time(deadline)
    finally:
        answer.close()
    return _payload(bytes(kept))


def _require_time(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise TimeoutError


def _payload(framed: bytes) -> bytes:
    """What lies in the frames, in order; the last one may have been cut off."""
    found, at = bytearray(), 0
    while at + _HEADER <= len(framed):
        size = int.from_bytes(framed[at + 4 : at + _HEADER], "big")
        found += framed[at + _HEADER : at + _HEADER + size]
        at += _HEADER + size
    return bytes(found[:EXECUTED_OUTPUT])
