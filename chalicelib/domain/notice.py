"""A notice: what one trigger is to be told of one event, kept until it has been delivered or given up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chalicelib.domain.container import LOCAL_AGENT, Container, Identity
from chalicelib.domain.trigger import Trigger

ATTEMPTS = 5
"""After this many failures a notice is given up: it stays listed, and is tried again only when somebody asks."""
FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=5)
LEASE = timedelta(minutes=2)
"""How long a sender has to say what became of a notice before another may send it; commands have their timeout more."""
GATHERING = timedelta(minutes=1)
"""Notices that go out together wait this long for each other, if nobody says that all are there."""
FAREWELL = timedelta(seconds=5)
"""That a container is gone is told so much later: its record must be gone by then, or it is not."""
QUIET = timedelta(hours=1)
"""So long after an update an offer is doubted: a check begun before may have found it, and tell of it afterwards."""
KEPT = timedelta(days=365)
"""How long a delivered notice is remembered, so that nobody is told the same again."""


_UNFIT = re.compile(r"[^A-Za-z0-9_.-]")


class Event(StrEnum):
    """What can be told."""

    UPDATE_AVAILABLE = "update-available"
    UPDATE_APPLIED = "update-applied"
    UPDATE_FAILED = "update-failed"
    SECURITY_ALERT = "security-alert"
    AGENT_DISCONNECT = "agent-disconnect"
    AGENT_RECONNECT = "agent-reconnect"
    CONTAINER_REPORT = "container-report"
    """How a container stands now, for triggers that mirror states instead of telling news (mqtt)."""
    CONTAINER_REMOVED = "container-removed"
    """There is nothing to mirror any more."""
    UPDATE_RESOLVED = "update-resolved"
    """What was told of an update is moot now that it is applied: receivers that can take it back."""


class NoticeState(StrEnum):
    """Waiting until delivered; dead after too many failures; void when it was no longer true when its time came."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Notice:
    """One entry of the outbox. `key` names it for ever: the same news to the same trigger has the same key."""

    key: str
    agent: str
    """Whose trigger it is for."""
    trigger: str
    """The trigger's `type.name`."""
    event: Event
    group: str
    """What has the same group goes out as one message."""
    created_at: datetime
    due_at: datetime
    identity: Identity | None = None
    mark: str = ""
    """Of the candidate it is about."""
    content: Mapping[str, Any] = field(default_factory=dict)
    """What it tells, opaque here: the container's document and facts, spelled out in `wire.notice`."""
    digest: bool = False
    """Whether it was kept for later, and must still be true then."""
    state: NoticeState = NoticeState.WAITING
    attempts: int = 0
    last_error: str | None = None
    owner: str | None = None
    lease_until: datetime | None = None
    sent_as: str = ""
    """The key of the message it was first sent in: further attempts go by the same name."""

    @property
    def trigger_type(self) -> str:
        """The type of the trigger it is for."""
        return self.trigger.partition(".")[0]

    def free(self, now: datetime) -> bool:
        """Whether it is due and nobody is sending it."""
        return self.state is NoticeState.WAITING and self.due_at <= now and not self._held(now)

    def holds_back(self, now: datetime) -> bool:
        """Whether the others of its group wait for it: it is being sent, or has not had its time yet."""
        gathering = self.attempts == 0 and self.due_at > now
        return self.state is NoticeState.WAITING and (gathering or self._held(now))

    def delivered(self) -> Notice:
        """It has gone out."""
        return replace(self, state=NoticeState.DELIVERED, last_error=None)

    def void(self) -> Notice:
        """It is no longer true."""
        return replace(self, state=NoticeState.VOID)

    def failed(self, error: str, now: datetime) -> Notice:
        """It could not be sent: due again later and later, until it is given up."""
        attempts = self.attempts + 1
        pause = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
        state = NoticeState.DEAD if attempts >= ATTEMPTS else NoticeState.WAITING
        return replace(self, attempts=attempts, last_error=error[:500], state=state, due_at=now + pause)

    def again(self, now: datetime) -> Notice:
        """Given up, and now asked for once more, by itself."""
        return replace(self, state=NoticeState.WAITING, attempts=0, due_at=now, sent_as="")

    def _held(self, now: datetime) -> bool:
        return self.lease_until is not None and self.lease_until >= now


@dataclass(frozen=True, slots=True)
class Cycle:
    """One round of scans, whose alerts may be told together: at its end, and at `until` if nobody tells of that."""

    id: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out: text for people, documents for programs. `key` is the same whenever this very message is sent."""

    key: str
    event: Event
    title: str
    body: str
    documents: Sequence[Mapping[str, Any]] = ()
    batch: bool = False
    receipts: Sequence[str] = ()
    """What earlier messages are called where they have gone: this one takes them back."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Whether one event is told, and to which triggers, by `type.name` or `agent.type.name`; no list means: to all."""

    enabled: bool = True
    triggers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rules:
    """What is told to whom. Actions and mirrors are no matter of these."""

    by_event: Mapping[Event, Rule] = field(default_factory=dict)
    """Those that somebody has changed."""

    def of(self, event: Event) -> Rule:
        """The rule of an event; until it is changed all is told but that agents fall silent and come back."""
        return self.by_event.get(event) or Rule(event not in (Event.AGENT_DISCONNECT, Event.AGENT_RECONNECT))

    def allow(self, event: Event, agent: str, trigger: str) -> bool:
        """Whether that trigger of an agent is told: `type.name` means those of all agents."""
        rule = self.of(event)
        named = {one.lower() for one in rule.triggers}
        return rule.enabled and (not named or not named.isdisjoint((trigger, f"{agent}.{trigger}")))


def ripe(group: Iterable[Notice], now: datetime) -> list[Notice]:
    """What of a group goes out now, in one message: nothing before all that belongs to it is there."""
    known = list(group)
    if any(notice.holds_back(now) for notice in known):
        return []
    return sorted((notice for notice in known if notice.free(now)), key=lambda notice: notice.key)


def lease_of(trigger: Trigger | None) -> timedelta:
    """How long a sender may hold notices of a trigger: a command may take the time it is given."""
    timeout = trigger.configuration.get("timeout", 0) if trigger is not None else 0
    return LEASE + timedelta(milliseconds=int(timeout))


def key_of(*parts: object) -> str:
    """A name made of these parts: the same parts give the same name, and no others do."""
    return hashlib.sha256("\n".join(f"{len(str(part))}:{part}" for part in parts).encode()).hexdigest()[:40]


def receipts_key(trigger: str, identity: Identity | None) -> str:
    """Under which the outbox keeps what a trigger's messages about a container are called."""
    return key_of(trigger, identity, "receipts")


def topic_words(agent: str | None, watcher: object, name: object) -> tuple[str, str]:
    """The two levels of an MQTT topic by which a container goes, and no other of any agent that shares the broker."""
    place = f"{agent}.{watcher}" if agent and agent != LOCAL_AGENT else str(watcher)
    return _UNFIT.sub("-", place), _UNFIT.sub("-", str(name))


def mark_of(container: Container) -> str:
    """Tells candidates apart; what has once been applied is new again when it comes back."""
    result, update = container.result, container.update
    digest = result.digest if result else None
    created = result.created if result and digest is None else None
    return key_of(
        result.tag if result else None, digest, created, update.kind, update.remote_value, container.applied_at
    )
