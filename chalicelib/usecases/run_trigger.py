"""Run one notification or command for one container, now, because somebody asks: no rule and no threshold counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.command import Command
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import Failed, NotFound
from chalicelib.domain.notice import Event, Notice, NoticeState
from chalicelib.domain.routing import is_action
from chalicelib.domain.trigger import Trigger
from chalicelib.ports.notifications import Author, NotSent, Outbox, Sender

_LOOK = 0.5


def about_trigger(identity: Identity, trigger_id: str) -> dict[str, Any]:
    """Arguments of the command; the container may be another agent's than the trigger."""
    return {"of": identity.agent, "key": identity.key, "trigger": trigger_id}


@dataclass(frozen=True, slots=True)
class Waiting:
    """How somebody else is asked to send, and waited for: put it into the outbox, `wake` whoever sends, look again."""

    outbox: Outbox
    wake: Callable[[], object]
    pause: Callable[[float], object]
    seconds: float


def run_trigger(
    command: Command,
    triggers: Sequence[Trigger],
    author: Author,
    sender: Sender,
    find: Callable[[Identity], Container | None],
    waiting: Waiting | None = None,
) -> Mapping[str, Any]:
    """Tell it, and wait until it is told: by `sender`, or by whoever sends notifications elsewhere.

    Raises NotFound, or Failed with the trigger's own words.
    """
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
    if waiting is not None and not is_action(trigger):
        return _sent_elsewhere(notice, waiting)
    try:
        sender.send(trigger, author.write(trigger, [notice], command.id))
    except NotSent as error:
        raise Failed(str(error)) from None
    return {}


def _sent_elsewhere(notice: Notice, waiting: Waiting) -> Mapping[str, Any]:
    """One attempt of whoever sends; a failed one is not tried again behind the back of whoever asked."""
    waiting.outbox.put(notice)
    waiting.wake()
    left = waiting.seconds
    while left > 0:
        now = waiting.outbox.get(notice.agent, notice.key)
        if now is not None and now.state is NoticeState.DELIVERED:
            return {}
        if now is None or now.attempts:
            break
        waiting.pause(_LOOK)
        left -= _LOOK
    else:
        now = None
    waiting.outbox.remove(notice.agent, notice.key)
    raise Failed((now and now.last_error) or "Nobody has sent it in time; notifications are sent from elsewhere.")
