"""The settings of triggers, read by `config`: all of `DD_TRIGGER_*`, `DD_ACTION_*` and `DD_NOTIFICATION_*`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_settings import PREFIXES, read
from chalicelib.settings_reader import Reader

EXECUTOR, LAMBDA = "executor", "lambda"
_FILE = "__FILE"


@dataclass(frozen=True, slots=True)
class TriggerSettings:
    """What there is to tell and to act by; secrets included, so it is never shown as it is."""

    triggers: tuple[Trigger, ...] = field(default=(), repr=False)
    handed_on: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Variables of our environment that commands ask for by name."""
    sent_from: str = EXECUTOR
    """Who sends notifications: each executor its own, or a Lambda on the queue."""


def read_triggers(reader: Reader, problems: list[str]) -> TriggerSettings:
    """Every trigger; a wrong one is left out and its problem kept. The docker action `local` is there unless said."""
    found = read(_variables(reader))
    problems.extend(problem for problem in found.problems if problem not in problems)
    triggers = found.triggers
    disabled = (reader.get("DD_ACTION_DOCKER_LOCAL") or "").lower() == "false"
    if not disabled and not any(one.type == "docker" for one in triggers):
        triggers = (*read({"DD_ACTION_DOCKER_LOCAL": ""}).triggers, *triggers)
    wanted = {
        name.strip()
        for one in triggers
        if one.type == "command"
        for name in str(one.configuration.get("env", "")).split(",")
    }
    handed_on = {name: value for name, value in reader.environment.items() if name in wanted}
    sent_from = reader.one_of("SLIPWAY_NOTIFICATIONS_FROM", (EXECUTOR, LAMBDA), EXECUTOR)
    return TriggerSettings(triggers, handed_on, sent_from)


def _variables(reader: Reader) -> dict[str, str]:
    """Every variable of triggers with its value, read from its file where there is one."""
    found = {}
    for variable in reader.environment:
        plain = variable.removesuffix(_FILE)
        if plain.upper().startswith(PREFIXES):
            found[plain] = reader.get(plain) or ""
    return found
