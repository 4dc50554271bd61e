"""A program of the operator's: run by a shell with the container in its environment, for a bounded time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from chalicelib.adapters.notify.secrecy import option
from chalicelib.adapters.notify.web import documents
from chalicelib.domain.environment import is_sensitive, without
from chalicelib.domain.notice import Message
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import NotSent

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_LONGEST = 100_000
"""Bytes of one variable: Linux takes no more than 128 kB."""
_SHOWN = 300
_KEPT = 8192
_CHUNK = 65_536
_PATIENCE = 1.0


def send(trigger: Trigger, message: Message, passed: Mapping[str, str]) -> None:
    """Run it and wait. Raises NotSent when it exits with anything but 0, or does not exit in time.

    `passed` are variables of ours that settings allow; a command sees those it names in its option `env`.
    """
    seconds = int(option(trigger, "timeout") or 60_000) / 1000
    wanted = {name.strip() for name in str(option(trigger, "env") or "").split(",")}
    handed = {name: value for name, value in passed.items() if name in wanted}
    environment = _environment(message) | handed
    process = subprocess.Popen(
        [str(option(trigger, "shell") or "/bin/sh"), "-c", str(option(trigger, "cmd"))],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    complaints = _Complaints(process)
    try:
        code = process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        raise NotSent(f"the command did not end within {seconds:g} seconds") from None
    finally:
        _end(process)
    if code != 0:
        # A command may repeat what it was entrusted with; who reads of its failure was not.
        entrusted = (value for name, value in handed.items() if is_sensitive(name))
        raise NotSent(f"the command ended with {code}: {without(complaints.end(), entrusted)[-_SHOWN:]}")


class _Complaints:
    """The end of what a command complains of, read as it comes: however much that is, no more is kept."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._kept = b""
        self._thread = threading.Thread(target=self._read, name="command-complaints", daemon=True)
        self._thread.start()

    def end(self) -> str:
        """What there is when the command is over; one that it has left behind may hold the pipe open."""
        self._thread.join(_PATIENCE)
        return self._kept.decode(errors="replace").strip()

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            while piece := os.read(stream.fileno(), _CHUNK):
                self._kept = (self._kept + piece)[-_KEPT:]


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing it started outlives it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=5)


def _environment(message: Message) -> dict[str, str]:
    """The container's plain members as variables, all of it as JSON, and nothing of ours."""
    found = {"PATH": _PATH, "DD_EVENT": message.event.value, "DD_KEY": message.key, "DD_TITLE": message.title}
    found["DD_BODY"] = message.body
    if not message.batch:
        found |= _flat(next(iter(message.documents), {}))
    found["containers_json" if message.batch else "container_json"] = documents(message).decode()
    return {name: value[:_LONGEST].replace("\0", "") for name, value in found.items()}


def _flat(document: Mapping[str, Any], before: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}_") if name != "labels" else {}
        elif isinstance(value, bool):
            found[before + name] = str(value).lower()
        elif isinstance(value, str | int | float):
            found[before + name] = str(value)
    return {name: value for name, value in found.items() if name.isidentifier() and name not in ("PATH", "IFS")}
