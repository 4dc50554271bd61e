"""A host that answers its commands at once: it stands where the queue stands, and does what an executor would."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.command import Command, CommandKind, CommandState, operation_of, subject
from chalicelib.domain.container import NO_UPDATE, Container, Identity, Result
from chalicelib.domain.errors import Failed, NotFound, SlipwayError
from chalicelib.domain.operation import ROLLBACK, Phase
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.queues import WakeUp
from chalicelib.usecases.run_trigger import run_trigger
from tests.fakes.notifications import FakeSender

_LEASE = timedelta(seconds=30)
_STATES = {"start": "running", "stop": "exited", "restart": "running"}


@dataclass
class FakeHost:
    """Containers by identity as they run there; `services` are those of the API it serves."""

    services: Any
    running: dict[Identity, Container] = field(default_factory=dict)
    secrets: dict[Identity, Mapping[str, str]] = field(default_factory=dict)
    silent: bool = False
    failure: SlipwayError | None = None
    """What every command fails with."""
    fails_in: tuple[Phase, Mapping[str, object]] | None = None
    """The phase, with further facts, in which updates end instead of succeeding."""
    triggers: Sequence[Trigger] = ()
    sender: FakeSender = field(default_factory=FakeSender)
    """Takes what those triggers are told."""
    performed: list[Command] = field(default_factory=list)

    def wake(self, agent: str, command_id: str) -> None:
        """Carry the command out before anybody waits for it, unless the host is silent."""
        if self.silent:
            return
        commands, now = self.services.commands, self.services.clock.now()
        command = commands.claim(agent, command_id, "fake-host", now, now + _LEASE)
        if command is None:
            return
        self.performed.append(command)
        try:
            if self.failure is not None:
                raise self.failure
            result, state = self._kinds[command.kind](command), CommandState.DONE
        except SlipwayError as error:
            result, state = {"error": str(error), "error_kind": type(error).__name__}, CommandState.FAILED
        commands.finish(replace(command, state=state, result=result, ended_at=now))

    def receive(self, agent: str, wait_seconds: int) -> Sequence[WakeUp]:
        """Nothing: a wake-up is followed at once."""
        return ()

    def done(self, agent: str, wake_up: WakeUp) -> None:
        """Nothing to end."""

    def give_back(self, agent: str, wake_up: WakeUp) -> None:
        """Nothing to give back."""

    @property
    def _kinds(self) -> Mapping[CommandKind, Callable[[Command], Mapping[str, Any]]]:
        return {
            CommandKind.WATCH: self._watch,
            CommandKind.UPDATE: self._update,
            CommandKind.REVEAL: self._reveal,
            CommandKind.PREVIEW: self._look_ahead,
            CommandKind.START: self._act,
            CommandKind.STOP: self._act,
            CommandKind.RESTART: self._act,
            CommandKind.RUN_TRIGGER: self._tell,
        }

    def _watch(self, command: Command) -> Mapping[str, Any]:
        """Store what runs, and forget what is gone."""
        keys = command.arguments.get("keys")
        mine = {one: found for one, found in self.running.items() if one.agent == command.agent}
        wanted = [found for one, found in mine.items() if keys is None or one.key in keys]
        asked = None if keys is None else [Identity.of(command.agent, key) for key in keys]
        self.services.containers.save(wanted)
        self.services.containers.remove([one for one in asked or () if one not in mine])
        return {"checked": len(wanted)}

    def _update(self, command: Command) -> Mapping[str, Any]:
        """Run the candidate under a new id."""
        identity, _ = subject(command)
        operations, now = self.services.operations, self.services.clock.now()
        operation = operations.get(identity, operation_of(command))
        if self.fails_in is not None:
            phase, facts = self.fails_in
            ended = operations.record(operation.at(phase, now, **facts))
            raise Failed(ended.last_error or ended.rollback_reason or "it failed", ended.id)
        before = self.running[identity]
        wanted = operation.to_version if operation.kind == ROLLBACK else before.update.remote_value
        tag = wanted or before.image.tag.value
        after = replace(
            before,
            id=before.id[::-1],
            former_ids=(before.id, *before.former_ids),
            image=replace(before.image, tag=replace(before.image.tag, value=tag)),
            update=NO_UPDATE,
            candidate=None,
            result=Result(tag=tag),
        )
        self.running[identity] = after
        self.services.containers.save([after])
        operations.record(operation.at(Phase.SUCCEEDED, now))
        return {"operation_id": operation.id, "container_id": after.id}

    def _reveal(self, command: Command) -> Mapping[str, Any]:
        return {"env": [list(pair) for pair in self.secrets.get(self._found(command).identity, {}).items()]}

    def _look_ahead(self, command: Command) -> Mapping[str, Any]:
        """A network, and an image with another version in its environment."""
        found = self._found(command)
        change = {"path": "Image", "before": found.image.reference, "after": command.arguments["target_image"]}
        return {"is_running": found.status == "running", "networks": ["bridge"], "changes": [change]}

    def _act(self, command: Command) -> Mapping[str, Any]:
        container = replace(self._found(command), status=_STATES[command.kind.value])
        self.running[container.identity] = container
        self.services.containers.save([container])
        return {"container_id": container.id}

    def _tell(self, command: Command) -> Mapping[str, Any]:
        services = self.services
        return run_trigger(command, self.triggers, services.author, self.sender, services.containers.get)

    def _found(self, command: Command) -> Container:
        identity, container_id = subject(command)
        found = self.running.get(identity)
        if found is None or found.id != container_id:
            raise NotFound(f"{identity.name} is gone from its host")
        return found
