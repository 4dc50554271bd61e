"""Deliver what waits in the outbox: the same code wherever it runs, beside an engine or on a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.notice import KEPT, LEASE, QUIET, Event, Notice, key_of, mark_of, receipts_key
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.clock import Clock
from chalicelib.ports.notifications import Author, NotSent, Outbox, Sender


@dataclass(frozen=True, slots=True)
class Deliver:
    """One sender. `current` answers what a container is now; `gave_up` is told of every notice nobody will send;
    `sends` says which types of triggers are this sender's: the others' notices stay for another one."""

    triggers: Iterable[Trigger]
    outbox: Outbox
    author: Author
    sender: Sender
    clock: Clock
    current: Callable[[Identity], Container | None]
    gave_up: Callable[[Notice], object]
    sends: Callable[[str], bool] = lambda _kind: True

    def due(self, agent: str, until: datetime | None = None) -> int:
        """Send all that is due for an agent's triggers; how many messages went out. None is begun after `until`.

        A notice is claimed, sent, and then settled. Whoever dies in between leaves a claim that runs out: it is sent
        again, under the same key.
        """
        now = self.clock.now()
        groups: dict[str, list[Notice]] = {}
        for notice in self.outbox.open(agent):
            if notice.free(now) and self.sends(notice.trigger_type):
                groups.setdefault(notice.group, []).append(notice)
        return sum(
            self._group(sorted(notices, key=lambda one: one.key))
            for notices in groups.values()
            if until is None or self.clock.now() < until
        )

    def _group(self, notices: list[Notice]) -> int:
        now = self.clock.now()
        owner = self.clock.new_id()
        claimed: list[Notice] = []
        for notice in notices:
            mine = self.outbox.claim(notice, owner, now, now + LEASE)
            if mine is None and not claimed:
                return 0
            if mine is not None and not self._outdated(mine):
                claimed.append(mine)
        if not claimed:
            return 0
        trigger = next((one for one in self.triggers if one.id == claimed[0].trigger), None)
        try:
            if trigger is None:
                raise NotSent(f"there is no trigger {claimed[0].trigger} any more")
            self._send(trigger, claimed)
        except NotSent as error:
            self._failed(claimed, str(error))
            return 0
        for notice in claimed:
            self.outbox.settle(notice.delivered())
        return 1

    def _send(self, trigger: Trigger, notices: list[Notice]) -> None:
        """What can be taken back later is remembered before it counts as delivered."""
        message, first = self.author.write(trigger, notices, _key(notices)), notices[0]
        known = receipts_key(trigger.id, first.identity)
        if first.event is Event.UPDATE_RESOLVED:
            message = replace(message, receipts=sorted(self.outbox.receipts(first.agent, known)))
            if not message.receipts:
                return
        receipt = self.sender.send(trigger, message)
        if first.event is Event.UPDATE_RESOLVED:
            self.outbox.forget_receipts(first.agent, known)
        elif receipt and self._may_be_taken_back(trigger, notices):
            self.outbox.remember(first.agent, known, receipt, self.clock.now() + KEPT)

    @staticmethod
    def _may_be_taken_back(trigger: Trigger, notices: list[Notice]) -> bool:
        """A message about several containers stays: it is still true of the others."""
        wanted = bool(trigger.configuration.get("resolvenotifications"))
        return wanted and len(notices) == 1 and notices[0].event is Event.UPDATE_AVAILABLE

    def _outdated(self, notice: Notice) -> bool:
        """Whether it has ceased to be true while it waited; then it is void."""
        if notice.identity is None or self._still_true(notice, self.current(notice.identity)):
            return False
        self.outbox.settle(notice.void())
        return True

    @staticmethod
    def _still_true(notice: Notice, container: Container | None) -> bool:
        """A digest needs its very candidate, an offer no update since, a state its container, a farewell none."""
        if notice.digest:
            return container is not None and container.candidate is not None and mark_of(container) == notice.mark
        if notice.event is Event.UPDATE_AVAILABLE:
            applied = container.applied_at if container is not None else None
            if container is None or applied is None or notice.created_at - applied > QUIET:
                return True
            if not notice.mark:
                # Somebody asked for it by hand.
                return applied < notice.created_at
            # So soon after an update an offer counts only if a check since has found it again.
            return applied < notice.created_at and container.candidate is not None and mark_of(container) == notice.mark
        if notice.event is Event.CONTAINER_REPORT:
            return container is not None
        return notice.event is not Event.CONTAINER_REMOVED or container is None

    def _failed(self, notices: list[Notice], error: str) -> None:
        for notice in notices:
            after = notice.failed(error, self.clock.now())
            if self.outbox.settle(after) and after.state.value == "dead":
                self.gave_up(after)


def _key(notices: list[Notice]) -> str:
    return notices[0].key if len(notices) == 1 else key_of(*(notice.key for notice in notices))
