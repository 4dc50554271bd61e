"""Owns a bench for updates: an engine, stores and a clock in memory, and a claim to work under."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from chalicelib.config import DockerActionSettings, Settings, WatcherSettings
from chalicelib.domain.candidate import unchanged
from chalicelib.domain.command import LEASE, Command, CommandKind, CommandState, about_operation
from chalicelib.domain.container import Identity
from chalicelib.domain.operation import Operation
from chalicelib.domain.reference import Reference
from chalicelib.ports.engine import RegistryAuth
from chalicelib.ports.registry import RegistryName
from local_runtime.executor.aftercare.conclusion import Conclusion
from local_runtime.executor.aftercare.dependents import Households
from local_runtime.executor.aftercare.pruning import prune
from local_runtime.executor.busy import Busy
from local_runtime.executor.claim import Claim, fenced
from local_runtime.executor.host import Host
from local_runtime.executor.performer import Performer
from local_runtime.executor.station import Station
from local_runtime.executor.tools import Tools
from local_runtime.executor.updating.blueprints import Blueprints
from local_runtime.executor.watching.watcher import Watcher
from tests.fakes.audit import FakeAudit
from tests.fakes.engine import FakeEngine
from tests.fakes.services import StillClock
from tests.fakes.stores import FakeBackups, FakeCommands, FakeContainers, FakeOperations

AGENT = "local"
CHECK = {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 3, "Timeout": 1_000_000_000}


@dataclass
class EngineClock(StillClock):
    """A clock on which the engine's time passes as well."""

    engine: FakeEngine | None = None

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.engine:
            self.engine.advance(seconds)


@dataclass
class Directory:
    """Registries that all have one name, ask for nothing, and have what the engine can pull."""

    engine: FakeEngine | None = None

    def cycle(self) -> Any:
        return self

    def head(self, reference: Reference) -> str | None:
        return self.engine.offered(reference.familiar) if self.engine else None

    def name_of(self, reference: Reference) -> RegistryName:
        return RegistryName("custom.test", f"https://{reference.host}/v2")

    def pull_credentials(self, reference: Reference) -> RegistryAuth | None:
        return None


class Patterns:
    """No operator wrote any."""

    def transform(self, formula: str) -> Any:
        return unchanged


class OpenGate:
    """Lets every image pass."""

    def require_safe(self, *about: object) -> None:
        pass


@dataclass
class Bench:
    """`app:1` is here; `app:2` can be pulled and runs."""

    folder: Path
    engine: FakeEngine = field(default_factory=FakeEngine)
    operations: FakeOperations = field(default_factory=FakeOperations)
    commands: FakeCommands = field(default_factory=FakeCommands)
    containers: FakeContainers = field(default_factory=FakeContainers)
    backups: FakeBackups = field(default_factory=FakeBackups)
    audit: FakeAudit = field(default_factory=FakeAudit)
    busy: Busy = field(default_factory=Busy)
    action: DockerActionSettings = field(default_factory=lambda: DockerActionSettings("local"))
    later: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock = EngineClock(engine=self.engine)
        self.blueprints = Blueprints(self.folder / "operations")
        self.engine.add_image("app:1", {"Env": ["VERSION=1"]})
        self.engine.offer("app:2", {"Env": ["VERSION=2"]})
        self.rebuild()

    def rebuild(self) -> None:
        """Put the executor together from what the bench has now; what it remembered is gone."""
        self.households = Households()
        conclusion = Conclusion(self.containers, self.audit, self.clock, followups=(prune,))
        self.performer = Performer({"local": self.station()}, conclusion, self.busy, self.later.append, lambda: None)

    @property
    def settings(self) -> Settings:
        return Settings(liveness_grace_ms=1000, health_gate_seconds=30, docker_actions=(self.action,))

    def station(self) -> Station:
        tools = Tools(
            containers=self.containers,
            operations=self.operations,
            audit=self.audit,
            registries=Directory(self.engine),  # type: ignore[arg-type]
            patterns=Patterns(),  # type: ignore[arg-type]
            check=lambda containers, since=None: containers,
            clock=self.clock,
            busy=self.busy,
        )
        return Station(Watcher(AGENT, WatcherSettings("local"), self.engine, tools), self.host)

    def host(self, claim: Claim) -> Host:
        return Host(
            engine=fenced(self.engine, claim),
            claim=claim,
            operations=self.operations,
            containers=self.containers,
            backups=self.backups,
            blueprints=self.blueprints,
            registries=Directory(self.engine),  # type: ignore[arg-type]
            clock=self.clock,
            settings=self.settings,
            gatekeeper=OpenGate(),  # type: ignore[arg-type]
            audit=self.audit,
            households=self.households,
        )

    def run(self, name: str = "web", image: str = "app:1", *, start: bool = True, **body: Any) -> str:
        """A container, known to the store."""
        made = self.engine.create(name, {"Image": image} | body)
        if start:
            self.engine.start(made)
        self.station().watcher.refresh(made)
        return made

    def ask(self, name: str = "web", target: str = "app:2", **facts: Any) -> Operation:
        """An open operation on that container, with its command."""
        now = self.clock.now()
        container_id = self.engine.inspect(name)["Id"]
        operation = Operation(
            id=self.clock.new_id(),
            identity=Identity(AGENT, "local", name),
            container_id=container_id,
            created_at=now,
            updated_at=now,
            trigger="docker.local",
            from_version="1",
            to_version="2",
            target_image=target,
        )
        opened = self.operations.open(replace(operation, **facts))
        self.adopt(opened)
        return opened

    def adopt(self, operation: Operation) -> None:
        """A command for an operation."""
        arguments = about_operation(operation.identity, operation.container_id, operation.id)
        command = Command(operation.id, AGENT, CommandKind.UPDATE, self.clock.now(), arguments=arguments)
        self.commands.submit(command)

    def end(self, claim: Claim) -> None:
        """Store that a command has been carried out."""
        claim.finish(replace(claim.command, state=CommandState.DONE, ended_at=self.clock.now()))

    def sweep(self) -> None:
        """Work on every open operation, as a worker does that finds it."""
        while found := self.operations.open_of(AGENT):
            for operation in found:
                self.adopt(operation)
                self.perform(operation)

    def claim(self, command_id: str, owner: str = "owner-1") -> Claim:
        """A claim on a command, its own or another's that ran out."""
        now = self.clock.now()
        claimed = self.commands.claim(AGENT, command_id, owner, now, now + LEASE)
        assert claimed is not None, self.commands.get(AGENT, command_id)
        return Claim(claimed, self.commands, self.clock)

    def claim_again(self, command_id: str, owner: str = "owner-1") -> Claim:
        """A claim once the one before has run out."""
        self.clock.sleep((LEASE + timedelta(seconds=1)).total_seconds())
        return self.claim(command_id, owner)

    def perform(self, operation: Operation, claim: Claim | None = None) -> Any:
        """What the executor does about its command."""
        return self.performer.perform(claim or self.claim(operation.id), self.clock.now())

    def ended(self, operation: Operation) -> Operation:
        """The operation as the ledger has it."""
        found = self.operations.get(operation.identity, operation.id)
        assert found is not None
        return found

    def names(self) -> dict[str, str]:
        """Every container on the engine with its state."""
        return {one["Names"][0].lstrip("/"): one["State"] for one in self.engine.containers(all=True)}
