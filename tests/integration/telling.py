"""Triggers as settings make them, and what they are told."""

from __future__ import annotations

from typing import Any

from chalicelib.adapters.notify.sender import ProviderSender
from chalicelib.domain.notice import Event, Message, Notice
from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_settings import read
from chalicelib.wire.notice import content, message
from tests.builders.containers import NOW, container, with_update

WEB = with_update(container("web"))
TITLE = "New tag found for container web"
BODY = "Container web running with tag 1.2.3 can be updated to tag 1.3.0"


def trigger(kind: str, **options: Any) -> Trigger:
    """One trigger named `one`, read as settings are read."""
    family = "ACTION" if kind in ("command", "docker") else "NOTIFICATION"
    found = read({f"DD_{family}_{kind.upper()}_ONE_{name.upper()}": str(value) for name, value in options.items()})
    assert not found.problems, found.problems
    return found.triggers[0]


def notice(one: Trigger, key: str = "k" * 40, event: Event = Event.UPDATE_AVAILABLE, **facts: Any) -> Notice:
    return Notice(key, "local", one.id, event, key, NOW, NOW, WEB.identity, content=content(WEB, facts))


def tell(one: Trigger, *notices: Notice) -> Message:
    """Send what these notices say; what was said."""
    told = message(one, notices or (notice(one),), "k" * 40)
    ProviderSender({"HANDED_ON": "yes", "NOT_NAMED": "no"}).send(one, told)
    return told


PUSHED = {"user": "uQiRzpo4DXghDmr9QzzfQu27cmVRsG", "token": "azGDORePK8gMaC0QOYAMyEEuzJnyUi"}
