"""Running the hooks of a container's labels around its update: beside the engine, without a shell, bounded, audited."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.audit import about
from chalicelib.domain.container import Container
from chalicelib.domain.errors import Failed, Invalid
from chalicelib.domain.hook import NAMES, OUTPUT_LIMIT, Hooks, command_line, hooks_of, masked, secrets_in
from chalicelib.domain.labels import label
from chalicelib.domain.operation import UPDATE, Operation, Phase
from chalicelib.domain.reference import Reference
from chalicelib.ports.engine import EngineNotFound
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional

Document = Mapping[str, Any]

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WAIT = 0.1


@dataclass(frozen=True, slots=True)
class Ended:
    """How a hook ended: its exit code, absent when it was stopped or never ran, and what it wrote."""

    code: int | None
    output: bytes
    problem: str = ""


def before_update(host: Host, operation: Operation, source: Document, image: Document) -> None:
    """Run the hook that comes before. Raises Failed when it fails and may stop the update; nothing was touched yet."""
    hooks = _hooks(host, operation, source, image)
    if not hooks:
        return
    _note(host, operation, "hook-configured", "info", _described(hooks))
    if hooks.before is None:
        return
    problem = _run(host, operation, "pre", hooks.before, hooks.seconds, source)
    if problem is not None and hooks.abort:
        raise Failed(f"The container is not touched, since its hook before updates failed: {problem}")


def after_update(host: Host, operation: Operation, _container: Container | None) -> None:
    """Run the hook that comes after an update that went well; that it fails is only written down."""
    moved = operation.new_container_id is not None and operation.committed
    if not host.settings.hooks.enabled or operation.phase is not Phase.SUCCEEDED or not moved:
        return
    document = inspect_optional(host.engine, operation.new_container_id)
    if document is None:
        return
    try:
        image = host.engine.image(document["Image"])
    except EngineNotFound:
        return
    hooks = _hooks(host, operation, document, image)
    if hooks.after is not None:
        _run(host, operation, "post", hooks.after, hooks.seconds, document)


def run_bounded(command: Sequence[str], environment: Mapping[str, str], seconds: float) -> Ended:
    """Run it in an empty directory; when it ends, or its time does, everything it started ends with it."""
    with tempfile.TemporaryDirectory(prefix="slipway-hook-") as folder:
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                cwd=folder,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return Ended(None, b"", f"{command[0]} cannot be run: {getattr(error, 'strerror', None) or error}")
        with process:
            try:
                output, late = _read(process, time.monotonic() + seconds)
            finally:
                # Not reaped yet, so the group's number is still its own.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
    if late:
        return Ended(None, output, f"it was stopped after {seconds:g} seconds")
    return Ended(process.returncode, output)


def _read(process: subprocess.Popen[bytes], deadline: float) -> tuple[bytes, bool]:
    """The beginning of what it writes until it ends, and whether its time was over first."""
    assert process.stdout is not None
    output, descriptor, open_end = bytearray(), process.stdout.fileno(), True
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            if time.monotonic() > deadline:
                return bytes(output), True
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
            if not open_end or not selector.select(0 if ended else _WAIT):
                if ended:
                    return bytes(output), False
                if not open_end:
                    time.sleep(_WAIT)
                continue
            chunk = os.read(descriptor, 65536)
            output += chunk[: OUTPUT_LIMIT - len(output)]
            open_end = bool(chunk)


def _run(host: Host, operation: Operation, when: str, command: str, seconds: float, document: Document) -> str | None:
    """Run one hook and write down how it went; what was wrong, if anything was."""
    variables = _variables(operation, document)
    try:
        words = command_line(command, host.settings.hooks, variables)
    except Invalid as refusal:
        problem, output = str(refusal), ""
    else:
        host.claim.require()
        ended = run_bounded(words, {"PATH": _PATH, **variables}, seconds)
        output = masked(ended.output, secrets_in(document["Config"].get("Env") or ()))
        problem = ended.problem or ("" if ended.code == 0 else f"it ended with {ended.code}")
    told = "; ".join(part for part in (problem, output) if part)
    _note(host, operation, f"hook-{when}-{'failed' if problem else 'success'}", "error" if problem else "success", told)
    return (f"{problem}: {output[:300]}" if output else problem) if problem else None


def _hooks(host: Host, operation: Operation, document: Document, image: Document) -> Hooks:
    labels = (document["Config"].get("Labels")) or {}
    asked = any(label(labels, name) for name in NAMES)
    if not host.settings.hooks.enabled or operation.kind != UPDATE or not asked:
        return Hooks()
    if not image:
        raise Failed("The container's image is gone, so its own hooks cannot be told from its image's.")
    return hooks_of(labels, (image.get("Config") or {}).get("Labels") or {})


def _variables(operation: Operation, document: Document) -> dict[str, str]:
    """What a hook is told. The image is the one the container runs at that moment."""
    try:
        reference = Reference.parse(document["Config"]["Image"])
        name, tag = Reference(reference.host, reference.path).familiar, reference.running_tag
    except Invalid:
        name, tag = str(document["Config"]["Image"]), ""
    told = operation.to_version or ""
    return {
        "DD_CONTAINER_NAME": operation.identity.name,
        "DD_CONTAINER_ID": str(document["Id"]),
        "DD_IMAGE_NAME": name,
        "DD_IMAGE_TAG": tag,
        "DD_UPDATE_KIND": "digest" if told.startswith("sha256:") else "tag",
        "DD_UPDATE_FROM": operation.from_version or "",
        "DD_UPDATE_TO": told,
    }


def _described(hooks: Hooks) -> str:
    named = [word for word, said in (("before", hooks.before), ("after", hooks.after)) if said]
    return f"hooks {' and '.join(named)} the update; a failure before {'stops' if hooks.abort else 'does not stop'} it"


def _note(host: Host, operation: Operation, action: str, status: str, details: str) -> None:
    host.audit.add([about(operation, action, status, details or None, at=host.clock.now())])
