"""Notices: as they are stored, as the API lists them, and as words and documents of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from chalicelib.domain.container import Container, Identity
from chalicelib.domain.notice import Event, Message, Notice, NoticeState, Rule
from chalicelib.domain.template import render
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_options import BATCH_TITLE, SIMPLE_BODY, SIMPLE_TITLE
from chalicelib.wire import moment
from chalicelib.wire.container import document

Json = dict[str, Any]

_TITLES = {
    Event.UPDATE_APPLIED: "Container ${container.name} updated",
    Event.UPDATE_FAILED: "Update of container ${container.name} failed",
    Event.SECURITY_ALERT: "Security alert for container ${container.name}",
    Event.AGENT_DISCONNECT: "Agent ${agent} disconnected",
    Event.AGENT_RECONNECT: "Agent ${agent} reconnected",
}
_BODIES = {
    Event.UPDATE_APPLIED: "Container ${container.name} now runs ${to || container.image.tag.value}"
    '${from ? " instead of " + from : ""}',
    Event.UPDATE_FAILED: 'Container ${container.name} still runs ${from || container.image.tag.value}${error ? "\\n" + '
    'error : ""}',
    Event.SECURITY_ALERT: "${details || container.image.name}",
    Event.AGENT_DISCONNECT: "Nothing has been heard of agent ${agent} since ${since}",
    Event.AGENT_RECONNECT: "Agent ${agent} is back; nothing had been heard of it since ${since}",
}
_MODES = {Event.UPDATE_AVAILABLE: "mode", Event.SECURITY_ALERT: "securitymode"}
"""The events several of which may go out as one message, and the option that says so."""
_ALERTS_TITLE = "Security alerts for ${containers.length == 1 ? container.name : containers.length + ' containers'}"
_ALERT = "- ${container.name}: ${details || container.image.name}"
_LINE = "- ${container.name}: ${container.updateKind.localValue} -> ${container.updateKind.remoteValue}"


def content(container: Container | None, facts: Mapping[str, Any]) -> Json:
    """What is kept: the container's document without its long lists, and further facts by name."""
    kept: Json = {"facts": dict(facts)}
    if container is not None:
        body = document(container)
        body["updateAvailable"] = container.candidate is not None
        body["security"] = {
            name: {**part, "vulnerabilities": []} if isinstance(part, Mapping) and "vulnerabilities" in part else part
            for name, part in body.get("security", {}).items()
        }
        kept["container"] = body
    return kept


def message(trigger: Trigger, notices: Sequence[Notice], key: str) -> Message:
    """One message for all of these: simple for one that goes alone, a list for a batch."""
    options = trigger.configuration
    notices = sorted(notices, key=lambda notice: notice.identity.name if notice.identity else "")
    first = notices[0]
    documents = [notice.content.get("container", {}) for notice in notices]
    if str(options.get(_MODES.get(first.event, ""), "simple")) != "simple":
        alert = first.event is Event.SECURITY_ALERT
        heading, line = (_ALERTS_TITLE, _ALERT) if alert else (str(options.get("batchtitle") or BATCH_TITLE), _LINE)
        title = render(heading, variables(first, documents))
        body = "\n".join(render(line, variables(notice, documents)) for notice in notices)
        return Message(key, first.event, title, body, documents, batch=True)
    words = variables(first, documents)
    title, body = _TITLES.get(first.event, ""), _BODIES.get(first.event, "")
    if first.event in (Event.UPDATE_AVAILABLE, Event.CONTAINER_REPORT):
        title, body = str(options.get("simpletitle") or SIMPLE_TITLE), str(options.get("simplebody") or SIMPLE_BODY)
    return Message(key, first.event, render(title, words), render(body, words), documents)


def variables(notice: Notice, documents: Sequence[Mapping[str, Any]]) -> Json:
    """What templates may name."""
    container = notice.content.get("container") or {}
    kind, result = container.get("updateKind") or {}, container.get("result") or {}
    current = (container.get("image") or {}).get("tag") or {}
    return {
        **notice.content.get("facts", {}),
        "container": container,
        "containers": list(documents),
        "event": notice.event.value,
        "id": container.get("id"),
        "name": container.get("name"),
        "watcher": container.get("watcher"),
        "kind": kind.get("kind"),
        "semver": kind.get("semverDiff"),
        "local": kind.get("localValue"),
        "remote": kind.get("remoteValue"),
        "link": result.get("link") or container.get("link"),
        "count": len(documents),
        "isDigestUpdate": kind.get("kind") == "digest",
        "currentTag": current.get("value"),
        "suggestedTag": result.get("suggestedTag"),
    }


def store(notice: Notice) -> Json:
    """All of it that does not change by sending."""
    return {
        "trigger": notice.trigger,
        "event": notice.event.value,
        "group": notice.group,
        "at": moment.write(notice.created_at),
        "key": notice.identity.key if notice.identity else None,
        "of": notice.identity.agent if notice.identity else None,
        "mark": notice.mark,
        "content": dict(notice.content),
        "digest": notice.digest,
    }


def load(agent: str, key: str, stored: Mapping[str, Any], due_at: datetime, state: str) -> Notice:
    """The notice whose `store` this is."""
    return Notice(
        key=key,
        agent=agent,
        trigger=stored["trigger"],
        event=Event(stored["event"]),
        group=stored["group"],
        created_at=moment.read(stored["at"]),
        due_at=due_at,
        identity=Identity.of(stored["of"], stored["key"]) if stored["key"] else None,
        mark=stored["mark"],
        content=stored["content"],
        digest=stored["digest"],
        state=NoticeState(state),
    )


def write(notice: Notice) -> Json:
    """As the API lists it: no text of it, and nothing of its trigger but the name."""
    body = {
        "id": notice.key,
        "agent": notice.agent,
        "triggerId": notice.trigger,
        "event": notice.event.value,
        "containerName": notice.identity.name if notice.identity else None,
        "status": notice.state.value,
        "attempts": notice.attempts,
        "lastError": notice.last_error,
        "createdAt": moment.write(notice.created_at),
        "nextAttemptAt": moment.write(notice.due_at) if notice.state is NoticeState.WAITING else None,
    }
    return {name: value for name, value in body.items() if value is not None}


RULES: Mapping[Event, tuple[str, str]] = {
    Event.UPDATE_AVAILABLE: ("Update available", "A container could move to a newer image."),
    Event.UPDATE_APPLIED: ("Update applied", "A container runs its new image."),
    Event.UPDATE_FAILED: ("Update failed", "An update failed or was rolled back."),
    Event.SECURITY_ALERT: ("Security alert", "A scan found critical or high vulnerabilities."),
    Event.AGENT_DISCONNECT: ("Agent disconnected", "Nothing has been heard of an agent for a while."),
    Event.AGENT_RECONNECT: ("Agent reconnected", "An agent that had fallen silent is heard of again."),
}
"""The events there are rules for, with a name and a description each."""


def write_rule(event: Event, rule: Rule) -> Json:
    """A rule as the API shows it."""
    name, description = RULES[event]
    body = {"id": event.value, "name": name, "description": description}
    return body | {"enabled": rule.enabled, "triggers": list(rule.triggers)}


class Words:
    """The author of messages, for use cases that cannot know their shape."""

    content = staticmethod(content)
    write = staticmethod(message)
