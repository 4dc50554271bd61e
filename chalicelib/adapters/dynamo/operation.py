"""The ledger of operations: all of one identity in one item, guarded by its revision."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.changes import OPERATIONS, announce
from chalicelib.adapters.dynamo.models import LedgerModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Conflict, Stale, Unavailable
from chalicelib.domain.operation import Operation, prune
from chalicelib.wire import operation as wire

_ATTEMPTS = 10


class DynamoOperations:
    """Ledgers in DynamoDB. `keep` ended operations and `days` bound what is kept of each identity."""

    def __init__(self, keep: int, days: int) -> None:
        self._keep = keep
        self._days = days

    def open(self, operation: Operation) -> Operation:
        """Begin it, unless another is open on the same identity."""

        def add(ledger: list[Operation]) -> list[Operation]:
            for other in ledger:
                if other.id == operation.id:
                    return ledger
                if not other.ended:
                    raise Conflict(
                        f"an operation on {operation.identity.name} is already in progress; wait until it has ended",
                        other.id,
                    )
            return [operation, *ledger]

        return self._change(operation, add)

    def record(self, operation: Operation, *, quiet: bool = False) -> Operation:
        """Store one more fact of it, if nobody has written since its revision."""
        for _ in range(_ATTEMPTS):
            found = self._read(operation.identity)
            if found.revision == operation.revision + 1:
                # The answer to an earlier try at this very write may have been lost.
                for other in found.operations:
                    if _same_fact(other, operation):
                        announce(operation.identity.agent, OPERATIONS)
                        return other
            if found.revision != operation.revision:
                break
            kept = [operation if other.id == operation.id else other for other in found.operations]
            # Whoever asks for its end meanwhile does not write at a new revision: the fact is stored beside the wish.
            with suppress(Stale):
                return self._write(operation, kept, found, quiet=quiet)
        raise Stale(f"operation {operation.id} is in other hands")

    def ask_for_end(self, operation: Operation) -> None:
        """Note beside the ledger that somebody wants this operation ended, if nobody has written since its revision."""
        identity = operation.identity
        with translated(f"operations of {identity.name}"):
            LedgerModel(identity.agent, identity.key).update(
                actions=[LedgerModel.cancel.set(operation.id)], condition=LedgerModel.revision == operation.revision
            )

    def get(self, identity: Identity, operation_id: str) -> Operation | None:
        """One operation of this identity."""
        return next((operation for operation in self.history(identity) if operation.id == operation_id), None)

    def history(self, identity: Identity) -> list[Operation]:
        """All kept operations of this identity, newest first."""
        return self._read(identity).operations

    def open_of(self, agent: str) -> list[Operation]:
        """Every operation of the agent that has not ended, as the ledgers themselves say."""
        with translated(f"operations of {agent}"):
            keys = [item.key for item in LedgerModel.open_ledgers.query(agent)]
        ledgers = [self.history(Identity.of(agent, key)) for key in keys]
        return [operation for ledger in ledgers for operation in ledger if not operation.ended]

    def _change(self, operation: Operation, change: Callable[[list[Operation]], list[Operation]]) -> Operation:
        for _ in range(_ATTEMPTS):
            found = self._read(operation.identity)
            with suppress(Stale):
                return self._write(operation, change(found.operations), found)
        raise Unavailable(f"the operations of {operation.identity.name} are being written by too many at once")

    def _read(self, identity: Identity) -> _Ledger:
        with translated(f"operations of {identity.name}"):
            try:
                item = LedgerModel.get(identity.agent, identity.key, consistent_read=True)
            except LedgerModel.DoesNotExist:
                return _Ledger([], 0, None)
        revision = int(item.revision)
        return _Ledger(read_ledger(identity, item.operations, revision, item.cancel), revision, item.cancel)

    def _write(
        self, operation: Operation, ledger: list[Operation], before: _Ledger, *, quiet: bool = False
    ) -> Operation:
        identity = operation.identity
        kept = prune(ledger, operation.updated_at, self._keep, self._days)
        item = LedgerModel(
            identity.agent,
            identity.key,
            revision=before.revision + 1,
            cancel=before.cancel if any(one.id == before.cancel and not one.ended for one in kept) else None,
            operations=blob.pack([wire.store(one) for one in kept]),
            open_agent=identity.agent if any(not one.ended for one in kept) else None,
        )
        condition = LedgerModel.agent.does_not_exist()
        if before.revision:
            asked = LedgerModel.cancel == before.cancel if before.cancel else LedgerModel.cancel.does_not_exist()
            condition = (LedgerModel.revision == before.revision) & asked
        with translated(f"operations of {identity.name}"):
            item.save(condition=condition)
        if not quiet:
            announce(identity.agent, OPERATIONS)
        stored = read_ledger(identity, item.operations, before.revision + 1, item.cancel)
        return next(one for one in stored if one.id == operation.id)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What an item keeps: the operations, newest first; its revision; the one somebody wants ended."""

    operations: list[Operation]
    revision: int
    cancel: str | None


def _same_fact(stored: Operation, operation: Operation) -> bool:
    return replace(stored, revision=operation.revision, cancel_requested=operation.cancel_requested) == operation


def read_ledger(identity: Identity, packed: bytes, revision: int, cancel: str | None = None) -> list[Operation]:
    """The operations a ledger item keeps, newest first; `cancel` is the id of the one somebody wants ended."""
    stored = [wire.load(identity, body, revision) for body in blob.unpack(packed)]
    return [replace(one, cancel_requested=True) if one.id == cancel else one for one in stored]
