"""Commands in DynamoDB: claimed, renewed and ended by conditional writes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

from pynamodb.expressions.condition import Condition

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import CommandModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.errors import Stale
from chalicelib.wire import moment


class DynamoCommands:
    """One item per command, deleted some time after its end."""

    def submit(self, command: Command) -> None:
        """Add it; a second submit of the same id changes nothing."""
        with suppress(Stale), translated(f"command {command.id}"):
            _item(command).save(condition=CommandModel.id.does_not_exist())

    def get(self, agent: str, command_id: str) -> Command | None:
        """The command as it stands."""
        with translated(f"command {command_id}"):
            try:
                return _read(CommandModel.get(agent, command_id, consistent_read=True))
            except CommandModel.DoesNotExist:
                return None

    def claim(self, agent: str, command_id: str, owner: str, now: datetime, until: datetime) -> Command | None:
        """Take it for `owner` until then; None when it is somebody else's, ended or gone."""
        free = (CommandModel.state == CommandState.QUEUED.value) | (
            (CommandModel.state == CommandState.RUNNING.value) & (CommandModel.lease_until < now.timestamp())
        )
        item = CommandModel(agent, command_id)
        try:
            with translated(f"command {command_id}"):
                item.update(
                    actions=[
                        CommandModel.state.set(CommandState.RUNNING.value),
                        CommandModel.owner.set(owner),
                        CommandModel.lease_until.set(until.timestamp()),
                        CommandModel.attempts.add(1),
                    ],
                    condition=free,
                )
        except Stale:
            return None
        return _read(item)

    def renew(self, command: Command, until: datetime) -> bool:
        """Hold the claim longer; False when it was lost."""
        try:
            with translated(f"command {command.id}"):
                CommandModel(command.agent, command.id).update(
                    actions=[CommandModel.lease_until.set(until.timestamp())], condition=_mine(command)
                )
        except Stale:
            return False
        return True

    def finish(self, command: Command) -> bool:
        """Store its end; False when the claim was lost meanwhile."""
        try:
            with translated(f"command {command.id}"):
                _item(command).save(condition=_mine(command))
        except Stale:
            return False
        return True

    def release(self, agent: str, owner: str) -> None:
        """End the leases of an owner that is known to be gone."""
        for command in self._all(agent):
            if command.state is CommandState.RUNNING and command.owner == owner:
                self.renew(command, datetime.fromtimestamp(0, UTC))

    def waiting(self, agent: str, now: datetime) -> list[Command]:
        """Every command of the agent that can be claimed, oldest first."""
        found = [command for command in self._all(agent) if command.claimable(now)]
        return sorted(found, key=lambda command: command.created_at)

    def remove(self, agent: str, command_id: str) -> None:
        """Forget it at once."""
        with translated(f"command {command_id}"):
            CommandModel(agent, command_id).delete()

    def of_kind(self, agent: str, kind: CommandKind) -> list[Command]:
        """Every command of that kind which is still kept."""
        return [command for command in self._all(agent) if command.kind is kind]

    def purge(self, agent: str, now: datetime) -> int:
        """Delete commands that have been kept long enough; how many."""
        old = [one for one in self._all(agent) if one.ended_at is not None and one.ended_at + one.kind.kept < now]
        with translated(f"commands of {agent}"):
            for command in old:
                CommandModel(agent, command.id).delete()
        return len(old)

    def _all(self, agent: str) -> list[Command]:
        with translated(f"commands of {agent}"):
            return [_read(item) for item in CommandModel.query(agent, consistent_read=True)]


def _mine(command: Command) -> Condition:
    """Still this very claim: the same owner may have claimed it anew since."""
    mine: Condition = (
        (CommandModel.owner == command.owner)
        & (CommandModel.attempts == command.attempts)
        & (CommandModel.state == CommandState.RUNNING.value)
    )
    return mine


def _item(command: Command) -> CommandModel:
    expires = (command.ended_at + command.kind.kept).timestamp() if command.ended_at else None
    return CommandModel(
        command.agent,
        command.id,
        kind=command.kind.value,
        state=command.state.value,
        created_at=moment.write(command.created_at),
        arguments=blob.pack(dict(command.arguments)),
        owner=command.owner,
        lease_until=command.lease_until.timestamp() if command.lease_until else None,
        attempts=command.attempts,
        result=blob.pack(dict(command.result)) if command.result else None,
        ended_at=moment.write_optional(command.ended_at),
        expires_at=int(expires) if expires else None,
    )


def _read(item: CommandModel) -> Command:
    command = Command(
        id=item.id,
        agent=item.agent,
        kind=CommandKind(item.kind),
        created_at=moment.read(item.created_at),
        arguments=blob.unpack(item.arguments),
        state=CommandState(item.state),
        owner=item.owner,
        attempts=int(item.attempts or 0),
        result=blob.unpack(item.result) if item.result else {},
        ended_at=moment.read_optional(item.ended_at),
    )
    if item.lease_until is not None:
        command = replace(command, lease_until=datetime.fromtimestamp(item.lease_until, UTC))
    return command
