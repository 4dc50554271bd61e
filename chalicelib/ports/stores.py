"""Persistence, one Protocol per noun: each write is one conditional write on one item; a lost one raises Stale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.agent import Agent
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.backup import Backup
from chalicelib.domain.command import Command, CommandKind
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.fleet import Fleet
from chalicelib.domain.operation import Operation
from chalicelib.domain.policy import Policy
from chalicelib.domain.tally import Tally


class FleetReader(Protocol):
    """The reading side of containers, policies and open operations together."""

    def fleet(self) -> Fleet:
        """Everything as it stands now: one small read when nothing has changed since the last call."""
        ...


class ContainerStore(Protocol):
    """The executor's side of containers: each agent's executor is the one writer of its containers."""

    def get(self, identity: Identity) -> Container | None:
        """The container of this identity."""
        ...

    def of_watcher(self, agent: str, watcher: str) -> list[Container]:
        """Every stored container of one watcher."""
        ...

    def save(self, containers: Iterable[Container]) -> None:
        """Put these containers, whole, and let readers know."""
        ...

    def remove(self, identities: Iterable[Identity]) -> None:
        """Forget these containers, and let readers know; an unknown one is no error."""
        ...


class PolicyStore(Protocol):
    """Update policies by identity: they outlive the containers they were set on."""

    def get(self, identity: Identity) -> tuple[Policy, int]:
        """The policy and its revision; an empty policy at revision 0 when none was set."""
        ...

    def put(self, identity: Identity, policy: Policy, revision: int) -> None:
        """Replace the policy read at that revision. Raises Stale when it has changed since."""
        ...


class OperationStore(Protocol):
    """The ledger of operations of each identity: at most one is open at any time."""

    def open(self, operation: Operation) -> Operation:
        """Begin it. Raises Conflict, with the other's id, while one is open on the same identity."""
        ...

    def record(self, operation: Operation, *, quiet: bool = False) -> Operation:
        """Store one more fact of it; readers of lists are not told of a quiet one until the next.

        Storing the same fact again, as one does when the answer was lost, changes nothing. Raises Stale when somebody
        else has written since it was read.
        """
        ...

    def ask_for_end(self, operation: Operation) -> None:
        """Note that somebody wants it ended; whoever is at work on it sees that with its next fact, and still owns it.

        Raises Stale when it has been written since it was read.
        """
        ...

    def get(self, identity: Identity, operation_id: str) -> Operation | None:
        """One operation of this identity."""
        ...

    def history(self, identity: Identity) -> list[Operation]:
        """All kept operations of this identity, newest first."""
        ...

    def open_of(self, agent: str) -> list[Operation]:
        """Every operation of the agent that has not ended."""
        ...


class CommandStore(Protocol):
    """Commands and their results. Every change of state is conditional on the state before."""

    def submit(self, command: Command) -> None:
        """Add it; a second submit of the same id changes nothing."""
        ...

    def get(self, agent: str, command_id: str) -> Command | None:
        """The command as it stands."""
        ...

    def claim(self, agent: str, command_id: str, owner: str, now: datetime, until: datetime) -> Command | None:
        """Take it for `owner` until then; None when it is somebody else's, ended or gone."""
        ...

    def renew(self, command: Command, until: datetime) -> bool:
        """Hold the claim longer; False when it was lost."""
        ...

    def finish(self, command: Command) -> bool:
        """Store its end; False when the claim was lost meanwhile."""
        ...

    def release(self, agent: str, owner: str) -> None:
        """End the leases of an owner that is known to be gone, so that its commands can be claimed at once."""
        ...

    def waiting(self, agent: str, now: datetime) -> list[Command]:
        """Every command of the agent that can be claimed, oldest first."""
        ...

    def remove(self, agent: str, command_id: str) -> None:
        """Forget it at once, whoever works on it: its end is not stored any more. An unknown one is no error."""
        ...

    def of_kind(self, agent: str, kind: CommandKind) -> list[Command]:
        """Every command of that kind which is still kept, ended or not."""
        ...

    def purge(self, agent: str, now: datetime) -> int:
        """Delete commands that have been kept long enough; how many."""
        ...


class AgentStore(Protocol):
    """Executors and what they report of themselves."""

    def report(self, agent: Agent, seen_at: datetime) -> None:
        """Store a heartbeat of that moment with what the agent says of itself; its `changes` stay as they are."""
        ...

    def all(self) -> list[Agent]:
        """Every agent that ever reported."""
        ...

    def get(self, name: str) -> Agent | None:
        """One of them."""
        ...


class AuditStore(Protocol):
    """What was done; rows expire after thirty days."""

    def add(self, entries: Sequence[AuditEntry]) -> None:
        """Append rows; adding the same one again changes nothing."""
        ...

    def newest(self, agents: Sequence[str], limit: int) -> list[AuditEntry]:
        """The newest rows of these agents together, newest first."""
        ...

    def between(self, agents: Sequence[str], since: datetime, until: datetime) -> list[AuditEntry]:
        """Every row of these agents from then to then, both included, newest first."""
        ...


class BackupStore(Protocol):
    """Remembered images by identity."""

    def add(self, backup: Backup) -> None:
        """Remember one."""
        ...

    def of(self, identity: Identity) -> list[Backup]:
        """Those of one identity, newest first."""
        ...

    def of_agent(self, agent: str) -> list[Backup]:
        """Those of all containers of an agent, newest first."""
        ...

    def keep(self, identity: Identity, count: int) -> None:
        """Forget all but the newest `count` of one identity."""
        ...


class TallyStore(Protocol):
    """The one tally of the audit log."""

    def get(self) -> tuple[Tally | None, int]:
        """The tally and its revision; nothing at revision 0 before the first."""
        ...

    def put(self, tally: Tally, revision: int) -> None:
        """Replace the one read at that revision. Raises Stale when it has changed since."""
        ...
