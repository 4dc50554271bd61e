"""Run one notification or command for one container, now, because somebody asks: no rule and no threshold counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from chalicelib.domain.command import Command
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Failed, NotFound
from chalicelib.domain.notice import Event, Notice
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import Author, NotSent, Sender


def about_trigger(identity: Identity, trigger_id: str) -> dict[str, Any]:
    """Arguments of the command; the container may be another agent's than the trigger."""
    return {"of": identity.agent, "key": identity.key, "trigger": trigger_id}


def run_trigger(
    command: Command,
    triggers: Sequence[Trigger],
    author: Author,
    sender: Sender,
    find: Callable[[Identity], Container | None],
) -> Mapping[str, Any]:
    """Tell it, and wait until it is told. Raises NotFound, or Failed with the trigger's own words."""
    arguments = command.arguments
    identity = Identity.of(str(arguments["of"]), str(arguments["key"]))
    container = find(identity)
    if container is None:
        raise NotFound(f"{identity.name} is not known any more")
    trigger = next((one for one in triggers if one.id == arguments["trigger"]), None)
    if trigger is None:
        raise NotFound(f"this executor has no trigger {arguments['trigger']}")
    at = command.created_at
    notice = Notice(
        key=command.id,
        agent=command.agent,
        trigger=trigger.id,
        event=Event.UPDATE_AVAILABLE,
        group=command.id,
        created_at=at,
        due_at=at,
        identity=identity,
        content=author.content(container, {}),
    )
    try:
        sender.send(trigger, author.write(trigger, [notice], command.id))
    except NotSent as error:
        raise Failed(str(error)) from None
    return {}
