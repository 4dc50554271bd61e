"""Owns a bench whose containers belong to compose or have hooks: real files and programs, the engine in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from chalicelib.config import Settings
from chalicelib.domain.hook import HookRules
from chalicelib.domain.operation import Operation
from chalicelib.domain.trigger_settings import read
from chalicelib.settings_triggers import TriggerSettings
from local_runtime.executor.aftercare.conclusion import Conclusion
from local_runtime.executor.compose.step import keep_in_step
from local_runtime.executor.performer import Performer
from local_runtime.executor.updating.hooks import after_update
from tests.builders.updates import Bench

FILE = b"# shop\nservices:\n  web:\n    image: app:1   # runs\n    restart: always\n"
MOVED = FILE.replace(b"app:1 ", b"app:2 ")


def labels(file: Path | str, service: str = "web") -> dict[str, str]:
    """What compose puts on a container."""
    return {
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": service,
        "com.docker.compose.project.config_files": str(file),
        "com.docker.compose.project.working_dir": str(Path(file).parent),
    }


@dataclass
class ComposedBench(Bench):
    """`compose.yml` describes `web`; there is a compose trigger `main` with these options."""

    options: Mapping[str, str] = field(default_factory=dict)
    hooks: HookRules = field(default_factory=HookRules)

    def __post_init__(self) -> None:
        self.file = self.folder / "compose.yml"
        self.file.write_bytes(FILE)
        super().__post_init__()

    def rebuild(self) -> None:
        super().rebuild()
        conclusion = Conclusion(self.containers, self.audit, self.clock, followups=(keep_in_step, after_update))
        self.performer = Performer({"local": self.station()}, conclusion, self.busy, self.later.append, lambda: None)

    @property
    def settings(self) -> Settings:
        variables = {f"DD_ACTION_DOCKERCOMPOSE_MAIN_{name.upper()}": value for name, value in self.options.items()}
        triggers = read({"DD_ACTION_DOCKERCOMPOSE_MAIN": "", "DD_ACTION_DOCKER_LOCAL": "", **variables}).triggers
        made = super().settings
        return replace(made, data=self.folder / "data", triggers=TriggerSettings(triggers), hooks=self.hooks)

    def run_service(self, name: str = "web", **more: str) -> str:
        """A container as compose makes it."""
        return self.run(name, Labels=labels(self.file, name) | more)

    def move(self, **facts: Any) -> Operation:
        """Update `web` by the compose trigger, to the end."""
        operation = self.ask(**({"trigger": "dockercompose.main"} | facts))
        self.perform(operation)
        return self.ended(operation)

    def notes(self, *actions: str) -> list[tuple[str, str]]:
        """Audit rows of these actions: status and details."""
        return [(one.status, one.details or "") for one in self.audit.entries if one.action in actions]
