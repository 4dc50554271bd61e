"""Triggers: which of them serve a container, from which threshold on, and what of their settings may be seen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain.container import LOCAL_AGENT
from chalicelib.domain.environment import MASK, without_secrets
from chalicelib.domain.threshold import THRESHOLDS
from chalicelib.domain.trigger_options import secrets

ALL = "all"

_SECRET = re.compile(
    r"password|passwd|passphrase|secret|token|credential|bearer|api_?key|access_?key|private_?key|^auth$|^pass$|authorization"
    r"|^(client|cert)?key$|webhook|^hash$|^dsn$",
    re.IGNORECASE,
)
_SECRET_URL_TYPES = frozenset(
    {"slack", "discord", "teams", "googlechat", "mattermost", "rocketchat", "ifttt", "apprise", "http", "command"}
)
_COMMAND_LINE = ("command", "cmd")


@dataclass(frozen=True, slots=True)
class Trigger:
    """A configured notification or action of one agent; `agent` is absent for the local one."""

    type: str
    name: str
    agent: str | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """`type.name`, or `agent.type.name`."""
        plain = f"{self.type}.{self.name}"
        return f"{self.agent}.{plain}" if self.agent else plain

    def goes_by(self, reference: str) -> bool:
        """Whether a label may mean this trigger by that word, in any case."""
        return reference.lower() in (self.name.lower(), f"{self.type}.{self.name}".lower(), self.id.lower())


def of_agent(agent: str, facts: Mapping[str, Any]) -> list[Trigger]:
    """What an agent reports of its triggers; those without a type or a name are passed over."""
    shown = None if agent == LOCAL_AGENT else agent
    return [
        Trigger(str(one["type"]), str(one["name"]), shown, one.get("configuration") or {})
        for one in facts.get("triggers", ())
        if one.get("type") and one.get("name")
    ]


def serving(triggers: Iterable[Trigger], include: str | None, exclude: str | None) -> list[Trigger]:
    """Those that a container's labels leave, by type and name; a listed one with the threshold of its listing."""
    wanted, unwanted = _references(include), _references(exclude)
    chosen = []
    for trigger in triggers:
        if any(trigger.goes_by(reference) for reference, _ in unwanted):
            continue
        if wanted:
            threshold = next((level for reference, level in wanted if trigger.goes_by(reference)), None)
            if threshold is None:
                continue
            trigger = replace(trigger, configuration={**trigger.configuration, "threshold": threshold})
        chosen.append(trigger)
    return sorted(chosen, key=lambda trigger: (trigger.type, trigger.name))


def masked(trigger: Trigger) -> Mapping[str, Any]:
    """The configuration without its secrets: whole values by their name, and URLs that let in whoever knows them."""
    secret = secrets(trigger.type)
    return {
        name: MASK if value and name in secret else _masked(name, value, trigger.type)
        for name, value in trigger.configuration.items()
    }


def _masked(name: str, value: Any, kind: str) -> Any:
    if isinstance(value, Mapping):
        return {inner: _masked(inner, content, kind) for inner, content in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(name, content, kind) for content in value]
    if isinstance(value, bool) or value is None or value == "":
        return value
    if _SECRET.search(name) or (kind.lower() in _SECRET_URL_TYPES and name.lower() in ("url", "urls")):
        return MASK
    if not isinstance(value, str):
        return value
    if (kind.lower(), name) == _COMMAND_LINE:
        # Which program it is may be seen; among its arguments anything may be a secret.
        program, *arguments = value.split(maxsplit=1) or [value]
        return f"{without_secrets(program)} {MASK}" if arguments else without_secrets(program)
    return without_secrets(value)


def _references(text: str | None) -> list[tuple[str, str]]:
    """The words of a label with their thresholds: `name`, or `name:threshold`; an unknown threshold counts as all."""
    found = []
    for word in (text or "").split(","):
        reference, *levels = (part.strip() for part in word.split(":"))
        level = levels[0].lower() if len(levels) == 1 else ALL
        if reference:
            found.append((reference, level if level in THRESHOLDS else ALL))
    return found
