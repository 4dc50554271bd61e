"""What the fake engine keeps, and the documents it shows of it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.log import LogLine
from chalicelib.domain.post_start import Execution
from chalicelib.ports.engine import Document, EngineError

NEVER = "0001-01-01T00:00:00Z"
_MERGED = ("WorkingDir", "User", "StopSignal", "Shell", "Healthcheck")


@dataclass
class Fault:
    """A call of method `on` that is to fail: after so many that are `spared`, before it acts or after it has."""

    on: str
    times: int
    before: bool
    error: EngineError
    spared: int


@dataclass
class FakeImage:
    """`health` and `exits` script its containers: (seconds after the start, health), and (seconds, exit code)."""

    id: str
    config: dict[str, Any]
    references: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    health: tuple[tuple[float, str], ...] = ()
    exits: tuple[float, int] | None = None
    architecture: str = "amd64"


def providers(container: FakeContainer) -> dict[str, str]:
    """The containers whose namespaces it lives in, by the kind of namespace."""
    modes = {kind: str(container.host_config.get(kind) or "") for kind in ("NetworkMode", "PidMode", "IpcMode")}
    return {kind: mode.removeprefix("container:") for kind, mode in modes.items() if mode.startswith("container:")}


@dataclass
class FakeContainer:
    id: str
    name: str
    image: FakeImage
    config: dict[str, Any]
    host_config: dict[str, Any]
    networks: dict[str, dict[str, Any]]
    created: float
    status: str = "created"
    exit_code: int = 0
    started: float | None = None
    finished: float | None = None
    joined: dict[str, tuple[str, float | None]] = field(default_factory=dict)
    """The lives it shares, by the kind of namespace: of which container, started when."""
    output: list[LogLine] = field(default_factory=list)
    """What it has written; a test puts it there."""


def _health(container: FakeContainer, now: float) -> dict[str, Any]:
    check = container.config.get("Healthcheck")
    if not check or check.get("Test") == ["NONE"] or container.started is None:
        return {}
    passed = now - container.started
    reached = [health for after, health in container.image.health if passed >= after]
    return {"Health": {"Status": reached[-1] if reached else "starting", "FailingStreak": 0, "Log": []}}


def inspect_document(container: FakeContainer, now: float) -> Document:
    """What inspect shows of a container."""
    state = {
        "Status": container.status,
        "Running": container.status == "running",
        "Paused": False,
        "Restarting": False,
        "Dead": False,
        "ExitCode": container.exit_code,
        "StartedAt": _moment(container.started),
        "FinishedAt": _moment(container.finished),
        **_health(container, now),
    }
    return copy.deepcopy(
        {
            "Id": container.id,
            "Name": f"/{container.name}",
            "Created": _moment(container.created),
            "Image": container.image.id,
            "State": state,
            "RestartCount": 0,
            "Config": container.config,
            "HostConfig": container.host_config,
            "Mounts": [],
            "NetworkSettings": {"Networks": container.networks},
        }
    )


def list_summary(container: FakeContainer) -> Document:
    """What the list shows of a container."""
    return {
        "Id": container.id,
        "Names": [f"/{container.name}"],
        "Image": container.config["Image"],
        "ImageID": container.image.id,
        "State": container.status,
        "Labels": dict(container.config.get("Labels") or {}),
        "Created": int(container.created),
    }


Answer = tuple[float, int, bytes]
"""What a program inside a container does: the seconds it takes, its exit code, what it writes."""


def answer_of(execution: Execution, scripted: Mapping[str, Answer]) -> Answer:
    """What a program does that a test has scripted, or one of the few that every container of the fake has."""
    program, *arguments = execution.command
    known: dict[str, Answer] = {"true": (0, 0, b""), "false": (0, 1, b"")}
    if program == "sleep":
        known["sleep"] = (float(arguments[0]), 0, b"")
    if program == "echo":
        known["echo"] = (0, 0, (" ".join(arguments) + "\n").encode())
    return (known | dict(scripted)).get(program, (0, 127, b""))


def tagged(reference: str) -> str:
    """The reference with its tag spelled out."""
    if "@" in reference or reference.startswith("sha256:") or ":" in reference.rpartition("/")[2]:
        return reference
    return f"{reference}:latest"


def _moment(at: float | None) -> str:
    return NEVER if at is None else datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")


def merged_config(wanted: dict[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """What a container has of its own, filled up from its image as the engine does."""
    merged = {"Cmd": None, "Entrypoint": None, **wanted}
    if not merged["Entrypoint"]:
        merged["Cmd"] = merged["Cmd"] or image.get("Cmd")
        merged["Entrypoint"] = image.get("Entrypoint")
    names = {entry.partition("=")[0] for entry in merged.get("Env") or []}
    inherited = [entry for entry in image.get("Env") or [] if entry.partition("=")[0] not in names]
    merged["Env"] = [*(merged.get("Env") or []), *inherited]
    merged["Labels"] = {**(image.get("Labels") or {}), **(merged.get("Labels") or {})}
    for key in _MERGED:
        if not merged.get(key) and image.get(key):
            merged[key] = copy.deepcopy(image[key])
    return merged
