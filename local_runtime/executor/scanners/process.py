"""Running a tool: bounded in time and output, told no secret on its command line, and gone when it is done."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO

from chalicelib.ports.scanner import ScannerError

OUTPUT_LIMIT = 50 * 1024 * 1024
"""Bytes a tool may write before it is stopped."""
_COMPLAINT_KEPT = 64 * 1024
_CHUNK = 65536
_WAIT = 0.5


class ToolMissing(ScannerError):
    """There is no such program."""


class ToolTooSlow(ScannerError):
    """It was stopped because its time was over."""


class ToolTooLoud(ScannerError):
    """It was stopped because it wrote too much."""


class ToolKilled(ScannerError):
    """Something else ended it, such as the kernel when memory runs out."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A tool that ended by itself: its exit code, all it wrote, and the end of its complaints."""

    code: int
    output: bytes
    complaint: str


Launch = Callable[[Sequence[str], Mapping[str, str], float], Finished]
"""Run a command line with this environment for at most that many seconds. Raises ScannerError."""


def run(command: Sequence[str], environment: Mapping[str, str], seconds: float, limit: int = OUTPUT_LIMIT) -> Finished:
    """Run it in an empty directory and a session of its own, whose every process is ended afterwards.

    Raises ToolMissing, ToolTooSlow, ToolTooLoud and ToolKilled.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-tool-") as folder:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except OSError as error:
            raise ToolMissing(f"{command[0]} cannot be run: {error.strerror}") from error
        with process:
            try:
                deadline = time.monotonic() + seconds
                output, complaint = _read(process, command[0], deadline, seconds, limit)
                _await_exit(process, command[0], deadline, seconds)
            finally:
                # Not reaped yet, so the group's number is still its own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if process.returncode < 0:
        raise ToolKilled(f"{command[0]} was killed by signal {-process.returncode}; it may lack memory")
    return Finished(process.returncode, output, complaint.decode(errors="replace"))


def _read(
    process: subprocess.Popen[bytes], name: str, deadline: float, seconds: float, limit: int
) -> tuple[bytes, bytes]:
    assert process.stdout is not None and process.stderr is not None
    output, complaint = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream in (process.stdout, process.stderr):
            selector.register(stream, selectors.EVENT_READ)
        # A tool's own child may hold the pipes open after it: what counts is the tool.
        while selector.get_map() and not (_exited(process) and not selector.select(0)):
            if time.monotonic() > deadline:
                raise ToolTooSlow(f"{name} was stopped after {seconds:g} seconds")
            for key, _ in selector.select(_WAIT):
                stream = _stream(key)
                chunk = os.read(stream.fileno(), _CHUNK)
                if not chunk:
                    selector.unregister(stream)
                elif stream is process.stdout:
                    output += chunk
                    if len(output) > limit:
                        raise ToolTooLoud(f"{name} was stopped because it wrote more than {limit // 1024} kB")
                else:
                    complaint = (complaint + chunk)[-_COMPLAINT_KEPT:]
    return bytes(output), bytes(complaint)


def _stream(key: selectors.SelectorKey) -> IO[bytes]:
    stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
    return stream


def _await_exit(process: subprocess.Popen[bytes], name: str, deadline: float, seconds: float) -> None:
    while not _exited(process):
        if time.monotonic() > deadline:
            raise ToolTooSlow(f"{name} was stopped after {seconds:g} seconds")
        time.sleep(0.01)


def _exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has ended; it stays unreaped."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
