"""Owns a place where updates can be tried: a store, an engine, a registry with images, and containers with data."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from chalicelib.bootstrap import Services
from chalicelib.domain.command import Command, CommandKind, about_operation
from chalicelib.domain.container import Identity
from chalicelib.domain.operation import Operation, original_name
from tests.docker.rig import EngineHost, ImageRegistry

KEEPS_DATA = "[ -e /data/id ] || cat /proc/sys/kernel/random/uuid > /data/id; "
STAYS = KEEPS_DATA + "exec sleep 3600"
CRASHES = "exit 3"
CHECKED = {"Test": ["CMD", "true"], "Interval": 100_000_000, "Timeout": 5_000_000_000, "Retries": 3}
FAILING = {"Test": ["CMD", "false"], "Interval": 100_000_000, "Timeout": 5_000_000_000, "Retries": 2}
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Subject:
    """A container to be updated, and the data it wrote when it was first started."""

    name: str
    id: str
    data: str


class Site:
    """One engine with a registry. Repository `app`: 1 runs; 2 runs and is checked; others fail, each in its way."""

    def __init__(self, host: EngineHost, registry: ImageRegistry, repository: str = "app") -> None:
        self.host = host
        self.registry = registry
        self.repository = repository

    def publish(self, tag: str, script: str = STAYS, **image: Any) -> str:
        """Push a version; every one has /data as a volume and is stopped by SIGKILL, which takes no time."""
        made: dict[str, Any] = {"volumes": ["/data"], "stopsignal": "SIGKILL", "env": {"VERSION": tag}}
        return self.registry.push_image(self.repository, tag, cmd=["sh", "-c", script], **made | image)

    def reference(self, tag: str) -> str:
        return self.registry.reference(self.repository, tag)

    def run(self, name: str, tag: str = "1", *, start: bool = True, **body: Any) -> Subject:
        """A container; one that is not to run has run for a moment, so that it has data."""
        self.host.http.post("/images/create", params={"fromImage": self.reference(tag)}).raise_for_status()
        made = self.host.api(
            "POST", "/containers/create", params={"name": name}, json={"Image": self.reference(tag)} | body
        )
        self.host.api("POST", f"/containers/{made['Id']}/start")
        data = wait_for(lambda: self.data(made["Id"]))
        if not start:
            self.host.api("POST", f"/containers/{made['Id']}/stop")
        return Subject(name, made["Id"], data)

    def data(self, container: str) -> str:
        """What the container keeps in its volume; read on this machine, since the engine starts a program to look."""
        answer = self.host.http.get(f"/containers/{container}/json")
        mounts = [] if answer.is_error else answer.json()["Mounts"]
        kept = [Path(mount["Source"]) / "id" for mount in mounts if mount["Destination"] == "/data"]
        try:
            return kept[0].read_text() if kept else ""
        except FileNotFoundError:
            return ""

    def inspect(self, container: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.host.api("GET", f"/containers/{container}/json")
        return found

    def names(self) -> dict[str, str]:
        """Every container's name, with its state."""
        listed = self.host.api("GET", "/containers/json", params={"all": "1"})
        return {name.lstrip("/"): one["State"] for one in listed for name in one["Names"]}

    def remove(self, *names: str) -> None:
        """Remove these containers and their set-aside copies, with their anonymous volumes, until they are gone."""

        def gone() -> bool:
            left = [name for name in self.names() if name in names or original_name(name) in names]
            for name in left:
                self.host.http.delete(f"/containers/{name}", params={"force": "1", "v": "1"})
            return not left

        wait_for(gone)

    def ask(self, services: Services, agent: str, subject: Subject, tag: str, **facts: Any) -> Operation:
        """Ask for a move to that tag, as the API does: an open operation and a command, here without a wake-up."""
        now = datetime.now(UTC)
        operation = Operation(
            id=f"operation-{next(_NUMBERS)}-{now.timestamp():.0f}",
            identity=Identity(agent, "local", subject.name),
            container_id=subject.id,
            created_at=now,
            updated_at=now,
            trigger="docker.local",
            from_version="1",
            to_version=tag,
            target_image=self.reference(tag),
        )
        opened = services.operations.open(operation if not facts else _with(operation, facts))
        arguments = about_operation(operation.identity, subject.id, operation.id)
        services.commands.submit(Command(operation.id, agent, CommandKind.UPDATE, now, arguments=arguments))
        return opened


def wait_for(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Whatever `look` finds at last; an AssertionError when that is nothing."""
    until = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < until, f"still {found!r} after {seconds:g} s"
        time.sleep(0.02)
    return found


def _with(operation: Operation, facts: Mapping[str, Any]) -> Operation:
    from dataclasses import replace

    return replace(operation, **facts)
