"""The outbox in DynamoDB: one item per notice, indexed while it waits or lies there given up."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action

from chalicelib.adapters.dynamo import blob
from chalicelib.adapters.dynamo.models import OutboxModel
from chalicelib.adapters.dynamo.trouble import translated
from chalicelib.domain.errors import Stale
from chalicelib.domain.notice import KEPT, Notice, NoticeState
from chalicelib.wire import notice as wire

log = logging.getLogger(__name__)

_OPEN = (NoticeState.WAITING, NoticeState.DEAD)


class DynamoOutbox:
    """Put once, claimed, renewed and settled by conditional writes."""

    def put(self, notice: Notice) -> bool:
        """Add it; False when its key is known already, whatever became of that one."""
        try:
            with translated("a notice"):
                OutboxModel(
                    notice.agent,
                    notice.key,
                    state=notice.state.value,
                    open_agent=notice.agent,
                    due_at=notice.due_at.timestamp(),
                    attempts=notice.attempts,
                    notice=blob.pack(wire.store(notice)),
                    expires_at=int((notice.created_at + KEPT).timestamp()),
                ).save(condition=OutboxModel.key.does_not_exist())
        except Stale:
            return False
        return True

    def open(self, agent: str) -> list[Notice]:
        """Those of an agent that wait or were given up, oldest first."""
        with translated("the outbox"):
            found = list(_readable(OutboxModel.open_notices.query(agent)))
        return sorted(found, key=lambda notice: (notice.created_at, notice.key))

    def get(self, agent: str, key: str) -> Notice | None:
        """One notice, whatever became of it."""
        with translated("a notice"):
            try:
                return _read(OutboxModel.get(agent, key, consistent_read=True))
            except OutboxModel.DoesNotExist:
                return None

    def claim(self, notice: Notice, owner: str, now: datetime, until: datetime, sent_as: str) -> Notice | None:
        """Take it for sending until then; None when somebody else has, or it waits no more.

        It is called `sent_as` from the first time on, whatever it is called later.
        """
        free = (OutboxModel.state == NoticeState.WAITING.value) & (
            OutboxModel.lease_until.does_not_exist() | (OutboxModel.lease_until < now.timestamp())
        )
        item = OutboxModel(notice.agent, notice.key)
        try:
            with translated("a notice"):
                item.update(
                    actions=[
                        OutboxModel.owner.set(owner),
                        OutboxModel.lease_until.set(until.timestamp()),
                        OutboxModel.sent_as.set(OutboxModel.sent_as | sent_as),
                    ],
                    condition=free,
                )
        except Stale:
            return None
        return _read(item)

    def settle(self, notice: Notice) -> bool:
        """Store what became of a claimed one, and free it; False when the claim was lost.

        What has gone out has gone out, whoever holds the claim by now.
        """
        if notice.state is NoticeState.DELIVERED:
            return self._change(notice, OutboxModel.state == NoticeState.WAITING.value)
        return self._change(notice, OutboxModel.owner == notice.owner)

    def hasten(self, notice: Notice, due_at: datetime) -> bool:
        """Let one that has never been sent be due earlier; False when it is being sent, or waits no more."""
        fresh = (OutboxModel.state == NoticeState.WAITING.value) & OutboxModel.sent_as.does_not_exist()
        try:
            with translated("a notice"):
                OutboxModel(notice.agent, notice.key).update(
                    actions=[OutboxModel.due_at.set(due_at.timestamp())], condition=fresh
                )
        except Stale:
            return False
        return True

    def revive(self, notice: Notice) -> bool:
        """Let one that was given up wait again; False when it was not given up."""
        return self._change(notice, OutboxModel.state == NoticeState.DEAD.value)

    def remove(self, agent: str, key: str) -> None:
        """Forget one that was given up."""
        with translated("a notice"):
            OutboxModel(agent, key).delete()

    def remember(self, agent: str, key: str, receipt: str, until: datetime) -> None:
        """Keep one more receipt under a key, until then at least."""
        actions: list[Action] = [
            OutboxModel.receipts.add({receipt}),
            OutboxModel.expires_at.set(int(until.timestamp())),
        ]
        with translated("a receipt"):
            OutboxModel(agent, f"receipts:{key}").update(actions=actions)

    def receipts(self, agent: str, key: str) -> frozenset[str]:
        """What was kept under it."""
        with translated("receipts"):
            try:
                return frozenset(OutboxModel.get(agent, f"receipts:{key}", consistent_read=True).receipts or ())
            except OutboxModel.DoesNotExist:
                return frozenset()

    def forget_receipts(self, agent: str, key: str) -> None:
        """Forget what was kept under it."""
        with translated("receipts"):
            OutboxModel(agent, f"receipts:{key}").update(actions=[OutboxModel.receipts.remove()])

    def _change(self, notice: Notice, condition: Condition) -> bool:
        actions: list[Action] = [
            OutboxModel.state.set(notice.state.value),
            OutboxModel.due_at.set(notice.due_at.timestamp()),
            OutboxModel.attempts.set(notice.attempts),
            OutboxModel.owner.remove(),
            OutboxModel.lease_until.remove(),
            OutboxModel.sent_as.set(notice.sent_as) if notice.sent_as else OutboxModel.sent_as.remove(),
            OutboxModel.last_error.set(notice.last_error) if notice.last_error else OutboxModel.last_error.remove(),
            OutboxModel.open_agent.set(notice.agent) if notice.state in _OPEN else OutboxModel.open_agent.remove(),
        ]
        try:
            with translated("a notice"):
                OutboxModel(notice.agent, notice.key).update(actions=actions, condition=condition)
        except Stale:
            return False
        return True


def _readable(items: Iterable[OutboxModel]) -> Iterator[Notice]:
    """A newer version may have left what this one does not know: that waits for it, and holds nothing else up."""
    for item in items:
        try:
            yield _read(item)
        except (KeyError, ValueError) as error:
            log.warning("notice %s is left alone: %s %s", item.key, type(error).__name__, error)


def _read(item: OutboxModel) -> Notice:
    notice = wire.load(item.agent, item.key, blob.unpack(item.notice), _moment(item.due_at), item.state)
    return replace(
        notice,
        attempts=int(item.attempts),
        last_error=item.last_error,
        owner=item.owner,
        lease_until=_moment(item.lease_until) if item.lease_until is not None else None,
        sent_as=item.sent_as or "",
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
