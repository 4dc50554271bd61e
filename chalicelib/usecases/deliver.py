"""Deliver what waits in the outbox: the same code wherever it runs, beside an engine or on a queue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.notice import KEPT, QUIET, Event, Message, Notice, key_of, lease_of, mark_of, receipts_key, ripe
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.clock import Clock
from chalicelib.ports.notifications import Author, NotSent, Outbox, Sender

PATIENCE = timedelta(seconds=2)
"""A failure that took longer says something of the receiver, not of the message."""


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
        """Send all that is due for an agent's triggers; how many messages went out. None is begun after `until`, and
        none for a trigger whose receiver has just let us wait in vain: these are looked at the next time.

        A notice is claimed, sent, and then settled. Whoever dies in between leaves a claim that runs out: it is sent
        again, under the same key.
        """
        now = self.clock.now()
        groups: dict[str, list[Notice]] = {}
        for notice in self.outbox.open(agent):
            if self.sends(notice.trigger_type):
                groups.setdefault(notice.group, []).append(notice)
        sent, dull = 0, set()
        for chosen in (ripe(notices, now) for notices in groups.values()):
            begun = self.clock.now()
            if not chosen or chosen[0].trigger in dull or (until is not None and begun >= until):
                continue
            count = self._group(chosen)
            sent += count
            if not count and self.clock.now() - begun > PATIENCE:
                # Nobody else waits while each of its notices finds out anew.
                dull.add(chosen[0].trigger)
        return sent

    def _group(self, notices: list[Notice]) -> int:
        """Claim them and send what is still true; how many messages went out."""
        now, owner, name = self.clock.now(), self.clock.new_id(), _key(notices)
        trigger = next((one for one in self.triggers if one.id == notices[0].trigger), None)
        claimed: dict[str, list[Notice]] = {}
        for notice in notices:
            mine = self.outbox.claim(notice, owner, now, now + lease_of(trigger), name)
            if mine is None and not claimed:
                return 0
            current = self._as_it_is(mine) if mine is not None else None
            if current is not None:
                claimed.setdefault(current.sent_as, []).append(current)
        # What an earlier attempt has named keeps its name: whoever has had that message knows it by it.
        return sum(self._message(trigger, key, together) for key, together in claimed.items())

    def _message(self, trigger: Trigger | None, key: str, notices: list[Notice]) -> int:
        try:
            if trigger is None:
                raise NotSent(f"there is no trigger {notices[0].trigger} any more")
            self._send(trigger, notices, key)
        except NotSent as error:
            self._failed(notices, str(error))
            return 0
        for notice in notices:
            self.outbox.settle(notice.delivered())
        return 1

    def _send(self, trigger: Trigger, notices: list[Notice], key: str) -> None:
        """What can be taken back later is remembered before it counts as delivered."""
        message, first = self._written(trigger, notices, key), notices[0]
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

    def _written(self, trigger: Trigger, notices: list[Notice], key: str) -> Message:
        try:
            return self.author.write(trigger, notices, key)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            # What nobody can put into words is given up like what nobody takes; the others must not wait for it.
            raise NotSent(f"it cannot be put into words: {type(error).__name__} {error}") from None

    @staticmethod
    def _may_be_taken_back(trigger: Trigger, notices: list[Notice]) -> bool:
        """A message about several containers stays: it is still true of the others."""
        wanted = bool(trigger.configuration.get("resolvenotifications"))
        return wanted and len(notices) == 1 and notices[0].event is Event.UPDATE_AVAILABLE

    def _as_it_is(self, notice: Notice) -> Notice | None:
        """The notice, about what its container is now where that is what it tells; None once it is true no more."""
        if notice.identity is None:
            return notice
        container = self.current(notice.identity)
        if not self._still_true(notice, container):
            self.outbox.settle(notice.void())
            return None
        if container is not None and notice.event is Event.CONTAINER_REPORT:
            # It may have waited for its receiver, and a later one have come through before it.
            return replace(notice, content=self.author.content(container, {}))
        if container is not None and notice.event is Event.SECURITY_ALERT and notice.digest:
            return replace(notice, content=self.author.content(container, {"details": container.security.alarm}))
        return notice

    @staticmethod
    def _still_true(notice: Notice, container: Container | None) -> bool:
        """A digest needs its very candidate or severe findings, an offer no update since, a state its container, a
        farewell none."""
        if notice.digest and notice.event is Event.SECURITY_ALERT:
            return container is not None and bool(container.security.alarm)
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
        now = self.clock.now()
        for notice in notices:
            after = notice.failed(error, now)
            if self.outbox.settle(after) and after.state.value == "dead":
                self.gave_up(after)


def _key(notices: list[Notice]) -> str:
    return notices[0].key if len(notices) == 1 else key_of(*(notice.key for notice in notices))
