"""Say what has happened to every trigger that wants to know: into the outbox, once for each piece of news."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.labels import policy as label_policy
from chalicelib.domain.notice import FAREWELL, SETTLING, Event, Notice, Rules, key_of, mark_of
from chalicelib.domain.operation import Operation, Phase
from chalicelib.domain.policy import Layers, Policy
from chalicelib.domain.routing import automatic, is_action, passes, routing_labels, served
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
    layers = Layers(override, label_policy(container.labels), container.watcher_policy)
    return standing(container.candidate, layers.effective, now).update_available


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
        return count + sum(self._available(container, scan) for container in waiting)

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

    def security_alert(self, container: Container, details: str, report: str) -> int:
        """A scan found what should alarm somebody. `report` names the finding: the same one is told once."""
        return self._tell(Event.SECURITY_ALERT, container, {"details": details}, container.identity, report)

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
                count += self._put(trigger, Event.CONTAINER_REMOVED, container, key, key, "simple")
        return count

    def _available(self, container: Container, scan: str) -> int:
        mark = mark_of(container)
        count = 0
        for trigger in self._telling(container, Event.UPDATE_AVAILABLE):
            if not passes(trigger, container.update):
                continue
            again = "" if trigger.configuration.get("once", True) else scan
            key = key_of(trigger.id, container.identity, Event.UPDATE_AVAILABLE, mark, again)
            mode = str(trigger.configuration.get("mode", "simple"))
            for part in ("batch", "digest") if mode == "batch+digest" else (mode,):
                count += self._put(
                    trigger, Event.UPDATE_AVAILABLE, container, key if part == mode else key_of(key, part), scan, part,
                    mark=mark,
                )  # fmt: skip
        return count

    def _show(self, container: Container, scan: str) -> int:
        count = 0
        for trigger in self._telling(container, Event.CONTAINER_REPORT):
            content = self.author.content(container, {})
            mark = key_of(sorted(map(str, content.items())))
            if self._shown.get((trigger.id, container.identity)) == mark:
                continue
            key = key_of(trigger.id, container.identity, Event.CONTAINER_REPORT, scan)
            count += self._put(trigger, Event.CONTAINER_REPORT, container, key, scan, "simple", mark=mark)
            self._shown[trigger.id, container.identity] = mark
        return count

    def _tell(
        self, event: Event, container: Container | None, facts: Mapping[str, Any], of: Identity | None, news: str
    ) -> int:
        count = 0
        for trigger in self._telling(container, event):
            key = key_of(trigger.id, of, event, news)
            count += self._put(trigger, event, container, key, key, "simple", facts=facts, identity=of)
        return count

    def _telling(self, container: Container | None, event: Event) -> list[Trigger]:
        """The triggers that tell of this container by themselves; an update is news to commands too."""
        labels = routing_labels(container) if container is not None else {}
        ours = [one for one in self.triggers if self._hears(one, event)]
        return [one for one in served(ours, labels) if automatic(one, labels)]

    def _hears(self, trigger: Trigger, event: Event) -> bool:
        if is_action(trigger):
            return trigger.type == "command" and event is Event.UPDATE_AVAILABLE
        if trigger.type in MIRRORS or event in _STATES:
            return trigger.type in MIRRORS and event in _STATES
        if event is Event.UPDATE_RESOLVED:
            return trigger.type in RESOLVING and bool(trigger.configuration.get("resolvenotifications"))
        return self.rules.allow(event, trigger.id)

    def _put(
        self,
        trigger: Trigger,
        event: Event,
        container: Container | None,
        key: str,
        scan: str,
        mode: str,
        *,
        facts: Mapping[str, Any] | None = None,
        mark: str = "",
        identity: Identity | None = None,
    ) -> int:
        if key in self._told:
            return 0
        now = self.clock.now()
        group, due = key, now
        if mode == "batch":
            group, due = key_of(trigger.id, scan), now + SETTLING
        if mode == "digest":
            due = self.next_digest(str(trigger.configuration.get("digestcron", "0 8 * * *")), now)
            group = key_of(trigger.id, "digest", due)
        if event is Event.CONTAINER_REMOVED:
            due = now + FAREWELL
        notice = Notice(
            key=key,
            agent=self.agent,
            trigger=trigger.id,
            event=event,
            group=group,
            created_at=now,
            due_at=due,
            identity=container.identity if container is not None else identity,
            mark=mark,
            content=self.author.content(container, facts or {}),
            digest=mode == "digest",
        )
        new = self.outbox.put(notice)
        if len(self._told) > _REMEMBERED:
            self._told.clear()
        self._told.add(key)
        return int(new)
