"""Say what has happened to every trigger that wants to know: into the outbox, once for each piece of news."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.labels import policy as label_policy
from chalicelib.domain.notice import FAREWELL, GATHERING, Cycle, Event, Notice, Rules, key_of, mark_of
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.policy import Layers, Policy
from chalicelib.domain.routing import automatic, is_action, own_routing_labels, passes, routing_labels, served
from chalicelib.domain.standing import standing
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.clock import Clock
from chalicelib.ports.notifications import Author, Outbox

MIRRORS = ("mqtt",)
"""Types that show how containers stand, all of them, whatever there is to tell."""
RESOLVING = ("gotify",)
"""Types whose messages can be taken back."""
_STATES = (Event.CONTAINER_REPORT, Event.CONTAINER_REMOVED)
_REMEMBERED = 50_000


def offered(container: Container, override: Policy, now: datetime) -> bool:
    """Whether no policy, the operator's override first, holds the container's candidate back."""
    layers = Layers(override, label_policy(container.own_labels), container.watcher_policy)
    return standing(container.candidate, layers.effective, now).update_available


@dataclass(frozen=True, slots=True)
class When:
    """With what a notice goes out, and when; in a digest only what is still true then."""

    group: str
    due_at: datetime
    digest: bool = False
    gathers: bool = False
    """Whether the group may be let go before its time, once all of it is there."""


@dataclass(slots=True)
class Notify:
    """One executor's voice. `offered` says whether a candidate is held back by no policy; `next_digest` when a trigger
    with that cron expression sends what it has collected."""

    agent: str
    triggers: Sequence[Trigger]
    outbox: Outbox
    author: Author
    clock: Clock
    offered: Callable[[Container], bool]
    next_digest: Callable[[str, datetime], datetime]
    rules: Rules = field(default_factory=Rules)
    _told: set[str] = field(default_factory=set)
    _gathered: dict[str, list[Notice]] = field(default_factory=dict)
    _shown: dict[tuple[str, Identity], str] = field(default_factory=dict)

    def checked(self, containers: Iterable[Container]) -> int:
        """Containers as a check has left them: tell of candidates, show states. How many notices are new.

        To be called after every check with all that were checked: what was told is not told again, and what a crash
        kept from being told is told now.
        """
        found = list(containers)
        scan = self.clock.new_id()
        count = sum(self._show(container, scan) for container in found)
        waiting = [one for one in found if one.candidate is not None and self.offered(one)]
        count += sum(self._available(container, scan) for container in waiting)
        self._let_go(Event.UPDATE_AVAILABLE, scan)
        return count

    def ended(self, operation: Operation, container: Container | None) -> int:
        """An operation's end, however often it is told."""
        good = operation.phase is Phase.SUCCEEDED
        facts = {
            "from": operation.from_version,
            "to": operation.to_version,
            "error": operation.last_error or operation.rollback_reason,
            "operation": operation.id,
        }
        event = Event.UPDATE_APPLIED if good else Event.UPDATE_FAILED
        count = self._tell(event, container, facts, operation.identity, operation.id)
        return count + (
            self._tell(Event.UPDATE_RESOLVED, container, {}, operation.identity, operation.id) if good else 0
        )

    def security_alert(self, container: Container, details: str, report: str, cycle: Cycle | None = None) -> int:
        """A scan found what should alarm somebody. `report` names the finding: the same one is told once.

        Triggers that want to hear of a `cycle` as a whole do so when it is over.
        """
        count, event = 0, Event.SECURITY_ALERT
        for trigger in self._telling(container, event):
            key = key_of(trigger.id, container.identity, event, report)
            mode = str(trigger.configuration.get("securitymode", "simple"))
            for part in _parts(mode):
                own, when = key if part == mode else key_of(key, part), self._at_once(key)
                if part == "batch" and cycle is not None:
                    when = When(key_of(trigger.id, event, cycle.id), cycle.until, gathers=True)
                if part == "digest":
                    when = self._digest(trigger, event)
                    # One entry of each container: what it says is found out when it goes out.
                    own = key_of(when.group, container.identity)
                count += self._put(trigger, event, container, own, when, facts={"details": details})
        return count

    def cycle_over(self, cycle: Cycle) -> int:
        """Let what waits for the end of a cycle go out; how much that is."""
        return self._let_go(Event.SECURITY_ALERT, cycle.id)

    def agent_disconnected(self, agent: str, since: datetime) -> int:
        """An agent has fallen silent; told once for each silence."""
        facts = {"agent": agent, "since": since.isoformat(timespec="seconds")}
        return self._tell(Event.AGENT_DISCONNECT, None, facts, None, f"{agent} {since.isoformat()}")

    def agent_reconnected(self, agent: str, since: datetime) -> int:
        """An agent that had fallen silent then is heard of again."""
        facts = {"agent": agent, "since": since.isoformat(timespec="seconds")}
        return self._tell(Event.AGENT_RECONNECT, None, facts, None, f"{agent} {since.isoformat()}")

    def removed(self, containers: Iterable[Container]) -> int:
        """Containers whose records are about to go: what mirrors show of them shall go too."""
        count = 0
        for container in containers:
            for trigger in self._telling(container, Event.CONTAINER_REMOVED):
                self._shown.pop((trigger.id, container.identity), None)
                key = key_of(trigger.id, container.identity, Event.CONTAINER_REMOVED, self.clock.new_id())
                when = When(key, self.clock.now() + FAREWELL)
                count += self._put(trigger, Event.CONTAINER_REMOVED, container, key, when)
        return count

    def _available(self, container: Container, scan: str) -> int:
        mark, event = mark_of(container), Event.UPDATE_AVAILABLE
        count = 0
        for trigger in self._telling(container, event):
            if not passes(trigger, container.update):
                continue
            once = bool(trigger.configuration.get("once", True))
            mode = str(trigger.configuration.get("mode", "simple"))
            for part in _parts(mode):
                when = self._digest(trigger, event) if part == "digest" else None
                # What is told at every scan stands once in a digest of many scans.
                again = "" if once else when.group if when else scan
                key = key_of(trigger.id, container.identity, event, mark, again)
                own = key if part == mode else key_of(key, part)
                if part == "batch":
                    when = When(key_of(trigger.id, event, scan), self.clock.now() + GATHERING, gathers=True)
                count += self._put(trigger, event, container, own, when or self._at_once(own), mark=mark)
        return count

    def _show(self, container: Container, scan: str) -> int:
        count = 0
        for trigger in self._telling(container, Event.CONTAINER_REPORT):
            content = self.author.content(container, {})
            mark = key_of(sorted(map(str, content.items())))
            if self._shown.get((trigger.id, container.identity)) == mark:
                continue
            event = Event.CONTAINER_REPORT
            key = key_of(trigger.id, container.identity, event, scan)
            # States of one container follow each other, whoever sends them.
            when = When(key_of(trigger.id, container.identity, event), self.clock.now())
            count += self._put(trigger, event, container, key, when, mark=mark)
            self._shown[trigger.id, container.identity] = mark
        return count

    def _tell(
        self, event: Event, container: Container | None, facts: Mapping[str, Any], of: Identity | None, news: str
    ) -> int:
        count = 0
        for trigger in self._telling(container, event):
            key = key_of(trigger.id, of, event, news)
            count += self._put(trigger, event, container, key, self._at_once(key), facts=facts, identity=of)
        return count

    def _telling(self, container: Container | None, event: Event) -> list[Trigger]:
        """The triggers that tell of this container by themselves; an update is news to commands too."""
        labels = routing_labels(container) if container is not None else {}
        own = own_routing_labels(container) if container is not None else {}
        ours = [one for one in self.triggers if self._hears(one, event)]
        return [one for one in served(ours, labels) if automatic(one, own if is_action(one) else labels)]

    def _hears(self, trigger: Trigger, event: Event) -> bool:
        if is_action(trigger):
            return trigger.type == "command" and event is Event.UPDATE_AVAILABLE
        if trigger.type in MIRRORS or event in _STATES:
            return trigger.type in MIRRORS and event in _STATES
        if event is Event.UPDATE_RESOLVED:
            return trigger.type in RESOLVING and bool(trigger.configuration.get("resolvenotifications"))
        return self.rules.allow(event, self.agent, trigger.id)

    def _let_go(self, event: Event, together: str) -> int:
        """Let go what was gathered of one scan; what a crash leaves behind goes out when its time has come."""
        groups = [key_of(trigger.id, event, together) for trigger in self.triggers]
        now = self.clock.now()
        return sum(self.outbox.hasten(one, now) for group in groups for one in self._gathered.pop(group, ()))

    def _at_once(self, key: str) -> When:
        return When(key, self.clock.now())

    def _digest(self, trigger: Trigger, event: Event) -> When:
        cron = str(trigger.configuration.get("digestcron", "0 8 * * *"))
        due = self.next_digest(cron, self.clock.now())
        return When(key_of(trigger.id, event, "digest", due), due, digest=True)

    def _put(
        self,
        trigger: Trigger,
        event: Event,
        container: Container | None,
        key: str,
        when: When,
        *,
        facts: Mapping[str, Any] | None = None,
        mark: str = "",
        identity: Identity | None = None,
    ) -> int:
        if key in self._told:
            return 0
        notice = Notice(
            key=key,
            agent=self.agent,
            trigger=trigger.id,
            event=event,
            group=when.group,
            created_at=self.clock.now(),
            due_at=when.due_at,
            identity=container.identity if container is not None else identity,
            mark=mark,
            content=self.author.content(container, facts or {}),
            digest=when.digest,
        )
        new = self.outbox.put(notice)
        if new and when.gathers:
            self._gathered.setdefault(when.group, []).append(notice)
        if len(self._told) > _REMEMBERED:
            self._told.clear()
        self._told.add(key)
        return int(new)


def _parts(mode: str) -> tuple[str, ...]:
    return ("batch", "digest") if mode == "batch+digest" else (mode,)
