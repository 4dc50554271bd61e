"""Act on what others tell us: find the containers that are meant, order what is to be done, and write it down."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

from chalicelib.domain.audit import SERVER, AuditEntry
from chalicelib.domain.command import Command, CommandKind, about_each
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Conflict, Failed, Forbidden, Invalid, NotFound
from chalicelib.domain.fleet import Document, Entry, Fleet
from chalicelib.domain.labels import flag
from chalicelib.domain.reference import Reference
from chalicelib.domain.webhook import Push, concerns
from chalicelib.ports.clock import Clock
from chalicelib.ports.stores import AuditStore
from chalicelib.usecases.order import Ordering

ALL = Identity(SERVER, "-", "*")


def concerned(fleet: Fleet, push: Push, lookup_image: Callable[[Document], str | None]) -> list[Identity]:
    """The containers that run, or look up, one of these images, and do not keep webhooks away.

    `lookup_image` reads from a container's document what it looks up.
    """
    return [
        entry.listing.identity
        for entry in fleet.entries
        if _concerns(push, entry.listing.reference) or _concerns(push, lookup_image(entry.listing.read()))
        if _open(entry)
    ]


def named(fleet: Fleet, name: str) -> list[Entry]:
    """The containers of that name, on whichever host. Raises NotFound, or Forbidden when they keep webhooks away."""
    found = [entry for entry in fleet.entries if entry.listing.identity.name == name]
    if not found:
        raise NotFound(f"No container is named {name}.")
    heard = [entry for entry in found if _open(entry)]
    if not heard:
        raise Forbidden(f"Webhooks are kept away from {name} (dd.webhook.enabled=false).")
    return heard


def the_one_named(fleet: Fleet, name: str) -> Entry:
    """The only container of that name. Raises Conflict when there are several."""
    found = named(fleet, name)
    if len(found) > 1:
        places = ", ".join(sorted(f"{one.listing.identity.agent}/{one.listing.identity.key}" for one in found))
        raise Conflict(f"Several containers are named {name}: {places}. Update them by their ids.")
    return found[0]


def news_id(push: Push, body: bytes) -> str | None:
    """What makes the same news the same order; nothing where the same body may be news again."""
    return hashlib.sha256(body).hexdigest()[:32] if push.once else None


def order_checks(orders: Ordering, wanted: Iterable[Identity], news: str | None = None) -> list[Command]:
    """One check on each agent that is there; what runs elsewhere is checked when its agent is back.

    The same `news` again orders nothing: the command is there already.
    """
    there = {agent.name for agent in orders.connected()}
    by_agent: dict[str, list[Identity]] = {}
    for identity in wanted:
        if identity.agent in there:
            by_agent.setdefault(identity.agent, []).append(identity)
    return [
        orders.order(agent, CommandKind.WATCH, about_each(those), command_id=news and f"push-{news}")
        for agent, those in sorted(by_agent.items())
    ]


def order_check_of_all(orders: Ordering) -> list[Command]:
    """A check of everything on every agent that is there. Raises Failed when none is."""
    agents = orders.connected()
    if not agents:
        raise Failed("No agent is connected. Start an executor, then try again.")
    return [orders.order(agent.name, CommandKind.WATCH, {}) for agent in agents]


def note(
    audit: AuditStore, clock: Clock, action: str, subjects: Sequence[Identity], problem: str | None = None
) -> None:
    """A row for each container a webhook was about."""
    status = "error" if problem else "success"
    audit.add([AuditEntry(clock.new_id(), clock.now(), action, status, one, details=problem) for one in subjects])


def _concerns(push: Push, reference: str | None) -> bool:
    running = _parsed(reference) if reference else None
    return running is not None and any(concerns(image, running) for image in push.images)


def _open(entry: Entry) -> bool:
    return flag(entry.listing.read().get("labels") or {}, "webhook.enabled") is not False


def _parsed(reference: str) -> Reference | None:
    try:
        return Reference.parse(reference)
    except Invalid:
        return None
