"""Stores in memory: each keeps to the same contract as its twin in DynamoDB. `away` makes one fail for a while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from chalicelib.domain.backup import Backup
from chalicelib.domain.command import Command, CommandKind, CommandState
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Conflict, Stale, Unavailable
from chalicelib.domain.operation import Operation, prune

_LONG_AGO = datetime.fromtimestamp(0, UTC)


class Outage:
    """Plans trouble: the next calls are refused, before they act or after they have acted."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._before = self._after = 0

    def away(self, *, before: int = 0, after: int = 0) -> None:
        """Refuse the next `before` calls; then carry out the next `after` calls and lose their answers."""
        self._before, self._after = before, after

    @property
    def planned(self) -> int:
        """How many calls are still to be refused."""
        return self._before + self._after

    @contextmanager
    def call(self) -> Iterator[None]:
        with self.lock:
            if self._before:
                self._before -= 1
                raise Unavailable("the store does not answer")
            yield
            if self._after:
                self._after -= 1
                raise Unavailable("the answer of the store was lost")


@dataclass
class FakeOperations:
    """An OperationStore; `written` lists every fact stored, in order."""

    keep: int = 50
    days: int = 30
    outage: Outage = field(default_factory=Outage)
    written: list[Operation] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ledgers: dict[Identity, tuple[int, list[Operation]]] = {}

    def open(self, operation: Operation) -> Operation:
        with self.outage.call():
            revision, ledger = self._ledger(operation.identity)
            for other in ledger:
                if other.id == operation.id:
                    return replace(other, revision=revision)
                if not other.ended:
                    raise Conflict(f"an operation on {operation.identity.name} is already in progress", other.id)
            return self._write(operation, [operation, *ledger], revision)

    def record(self, operation: Operation, *, quiet: bool = False) -> Operation:
        with self.outage.call():
            revision, ledger = self._ledger(operation.identity)
            found = next((one for one in ledger if one.id == operation.id), operation)
            operation = replace(operation, cancel_requested=found.cancel_requested)
            if revision == operation.revision + 1 and operation in ledger:
                return replace(operation, revision=revision)
            if revision != operation.revision:
                raise Stale(f"operation {operation.id} is in other hands")
            kept = [operation if other.id == operation.id else other for other in ledger]
            return self._write(operation, kept, revision)

    def ask_for_end(self, operation: Operation) -> None:
        with self.outage.call():
            revision, ledger = self._ledger(operation.identity)
            if revision != operation.revision:
                raise Stale(f"operation {operation.id} has been written meanwhile")
            kept = [replace(one, cancel_requested=True) if one.id == operation.id else one for one in ledger]
            self._ledgers[operation.identity] = revision, kept

    def get(self, identity: Identity, operation_id: str) -> Operation | None:
        return next((one for one in self.history(identity) if one.id == operation_id), None)

    def history(self, identity: Identity) -> list[Operation]:
        with self.outage.call():
            revision, ledger = self._ledger(identity)
            return [replace(one, revision=revision) for one in ledger]

    def open_of(self, agent: str) -> list[Operation]:
        found = [self.history(identity) for identity in list(self._ledgers) if identity.agent == agent]
        return [one for ledger in found for one in ledger if not one.ended]

    def _ledger(self, identity: Identity) -> tuple[int, list[Operation]]:
        return self._ledgers.get(identity, (0, []))

    def _write(self, operation: Operation, ledger: list[Operation], revision: int) -> Operation:
        self._ledgers[operation.identity] = revision + 1, prune(ledger, operation.updated_at, self.keep, self.days)
        self.written.append(operation)
        return replace(operation, revision=revision + 1)


@dataclass
class FakeCommands:
    """A CommandStore."""

    outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        self._items: dict[tuple[str, str], Command] = {}

    def submit(self, command: Command) -> None:
        with self.outage.call():
            self._items.setdefault((command.agent, command.id), command)

    def get(self, agent: str, command_id: str) -> Command | None:
        with self.outage.call():
            return self._items.get((agent, command_id))

    def claim(self, agent: str, command_id: str, owner: str, now: datetime, until: datetime) -> Command | None:
        with self.outage.call():
            found = self._items.get((agent, command_id))
            if found is None or not found.claimable(now):
                return None
            claimed = replace(
                found, state=CommandState.RUNNING, owner=owner, lease_until=until, attempts=found.attempts + 1
            )
            self._items[agent, command_id] = claimed
            return claimed

    def renew(self, command: Command, until: datetime) -> bool:
        with self.outage.call():
            return self._change(command, lambda found: replace(found, lease_until=until))

    def finish(self, command: Command) -> bool:
        with self.outage.call():
            return self._change(command, lambda found: command)

    def release(self, agent: str, owner: str) -> None:
        for command in self._of(agent):
            if command.state is CommandState.RUNNING and command.owner == owner:
                self.renew(command, _LONG_AGO)

    def waiting(self, agent: str, now: datetime) -> list[Command]:
        with self.outage.call():
            return sorted((one for one in self._of(agent) if one.claimable(now)), key=lambda one: one.created_at)

    def remove(self, agent: str, command_id: str) -> None:
        with self.outage.call():
            self._items.pop((agent, command_id), None)

    def of_kind(self, agent: str, kind: CommandKind) -> list[Command]:
        with self.outage.call():
            return [one for one in self._of(agent) if one.kind is kind]

    def purge(self, agent: str, now: datetime) -> int:
        with self.outage.call():
            old = [one for one in self._of(agent) if one.ended_at is not None and one.ended_at + one.kind.kept < now]
            for command in old:
                del self._items[agent, command.id]
            return len(old)

    def _of(self, agent: str) -> list[Command]:
        return [command for (owner, _), command in list(self._items.items()) if owner == agent]

    def _change(self, command: Command, change: Callable[[Command], Command]) -> bool:
        found = self._items.get((command.agent, command.id))
        if found is None or found.state is not CommandState.RUNNING:
            return False
        if (found.owner, found.attempts) != (command.owner, command.attempts):
            return False
        self._items[command.agent, command.id] = change(found)
        return True


@dataclass
class FakeContainers:
    """A ContainerStore."""

    outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        self._items: dict[Identity, Container] = {}

    def get(self, identity: Identity) -> Container | None:
        with self.outage.call():
            return self._items.get(identity)

    def of_watcher(self, agent: str, watcher: str) -> list[Container]:
        with self.outage.call():
            wanted = (agent, watcher)
            return [one for one in self._items.values() if (one.identity.agent, one.identity.watcher) == wanted]

    def save(self, containers: Iterable[Container]) -> None:
        with self.outage.call():
            self._items.update({container.identity: _without_secrets(container) for container in containers})

    def remove(self, identities: Iterable[Identity]) -> None:
        with self.outage.call():
            for identity in identities:
                self._items.pop(identity, None)


def _without_secrets(container: Container) -> Container:
    env = tuple(replace(entry, value="***") if entry.sensitive else entry for entry in container.details.env)
    return replace(container, details=replace(container.details, env=env))


@dataclass
class FakeBackups:
    """A BackupStore."""

    outage: Outage = field(default_factory=Outage)

    def __post_init__(self) -> None:
        self._items: dict[tuple[Identity, datetime, str], Backup] = {}

    def add(self, backup: Backup) -> None:
        with self.outage.call():
            self._items[backup.identity, backup.at, backup.id] = backup

    def of(self, identity: Identity) -> list[Backup]:
        with self.outage.call():
            return self._newest_first(one for one in self._items.values() if one.identity == identity)

    def of_agent(self, agent: str) -> list[Backup]:
        with self.outage.call():
            return self._newest_first(one for one in self._items.values() if one.identity.agent == agent)

    def keep(self, identity: Identity, count: int) -> None:
        for backup in self.of(identity)[count:]:
            del self._items[backup.identity, backup.at, backup.id]

    def _newest_first(self, backups: Iterable[Backup]) -> list[Backup]:
        return sorted(backups, key=lambda backup: (backup.at, backup.id), reverse=True)
