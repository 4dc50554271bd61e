"""Triggers read from `DD_TRIGGER_*`, `DD_ACTION_*` and `DD_NOTIFICATION_*`, checked by each type's options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.trigger import Trigger
from chalicelib.domain.trigger_options import ACTION_TYPES, INHERITED, OPTIONS, SHARED, Option

LEGACY, ACTION, NOTIFICATION = "DD_TRIGGER_", "DD_ACTION_", "DD_NOTIFICATION_"
PREFIXES = (LEGACY, ACTION, NOTIFICATION)

_NAME = re.compile(r"^[a-z0-9][a-z0-9-]{0,62}$")
_CRON_FIELD = re.compile(r"[\w*/,#?-]+")


class BadOption(Exception):
    """An option that cannot be used; the message names its variable, never its value when it is secret."""


@dataclass(frozen=True, slots=True)
class Found:
    """The triggers that can be used, by order and id; and why others cannot, a sentence each."""

    triggers: tuple[Trigger, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class _Draft:
    """What was said of one trigger: values by option, and the variable each came from."""

    values: dict[str, str] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Said:
    """All that was said: of single triggers, of whole types and names (option and prefix in the key), and nonsense."""

    drafts: dict[tuple[str, str], _Draft] = field(default_factory=dict)
    shared: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def inherited(self, kind: str, name: str, option: str) -> list[tuple[str, str]]:
        """What a trigger inherits of its type and of those that share its name; the specific prefix wins."""
        own = ACTION if kind in ACTION_TYPES else NOTIFICATION
        scopes = [(self.shared.get((own, scope, option)), self.shared.get((LEGACY, scope, option)))
                  for scope in dict.fromkeys((kind, name))]  # fmt: skip
        return [found for specific, legacy in scopes if (found := specific or legacy)]

    def note(self, problem: str) -> None:
        """Once."""
        if problem not in self.problems:
            self.problems.append(problem)


def read(variables: Mapping[str, str]) -> Found:
    """Every trigger these variables describe; a wrong one is left out and named, the others stay."""
    said = _gather(variables)
    found: list[Trigger] = []
    problems = said.problems
    for (kind, name), draft in sorted(said.drafts.items()):
        if draft.values.pop("", "").strip().lower() == "false":
            continue
        for option in INHERITED:
            values = said.inherited(kind, name, option) if option not in draft.values else []
            if len({value for value, _ in values}) > 1:
                both = " and ".join(variable for _, variable in values)
                said.note(f"{both} say different things of {kind}.{name}, which follows neither")
            elif values:
                draft.values[option], draft.variables[option] = values[0]
        try:
            found.append(_trigger(kind, name, draft))
        except BadOption as problem:
            problems.append(str(problem))
    ordered = sorted(found, key=lambda one: (one.configuration["order"], one.type, one.name))
    return Found(tuple(ordered), tuple(problems))


def _gather(variables: Mapping[str, str]) -> _Said:
    """Everything by what it is said of. The specific prefix wins."""
    said = _Said()
    names: dict[str, str] = {}
    for prefix in PREFIXES:
        for variable in sorted(variables):
            if not variable.upper().startswith(prefix):
                continue
            kind, _, rest = variable[len(prefix) :].lower().partition("_")
            name, _, option = rest.partition("_")
            known = kind in OPTIONS and (prefix, kind in ACTION_TYPES) not in ((ACTION, False), (NOTIFICATION, True))
            if name in INHERITED and not option and (known or kind not in OPTIONS):
                said.shared[prefix, kind, name] = (variables[variable], variable)
                names |= {} if known else {kind: f"{variable[: len(prefix)]}{kind.upper()}_*"}
            elif not known:
                said.note(f"{variable[: len(prefix)]}{kind.upper()}_* names no type of trigger")
            elif _NAME.match(name):
                draft = said.drafts.setdefault((kind, name), _Draft())
                draft.values[_dotted(kind, option)] = variables[variable]
                draft.variables[_dotted(kind, option)] = variable
            else:
                said.problems.append(f"{variable} gives its trigger no name of letters, digits and dashes")
    called = {name for _, name in said.drafts}
    for name, meant in names.items():
        if name not in called:
            said.note(f"{meant} names no type of trigger, and no trigger goes by that name")
    return said


def _dotted(kind: str, key: str) -> str:
    """The option a key means: `auth_user` is `auth.user`."""
    dotted = key.replace("_", ".")
    return dotted if any(option.name == dotted for option in OPTIONS[kind]) else key


def _trigger(kind: str, name: str, draft: _Draft) -> Trigger:
    known = {option.name: option for option in (*SHARED, *OPTIONS[kind])}
    for key in draft.values:
        if key not in known:
            raise BadOption(f"{draft.variables[key]} is no option of {kind}; there are {', '.join(sorted(known))}")
    configuration: dict[str, Any] = {}
    for option in known.values():
        said = draft.values.get(option.name)
        variable = draft.variables.get(option.name, f"DD_*_{kind.upper()}_{name.upper()}_{option.name.upper()}")
        value = option.default if said is None or said == "" else _checked(option, said, variable)
        if value is None and option.required:
            raise BadOption(f"{kind}.{name} needs {variable.replace('.', '_')}")
        if value is not None:
            _put(configuration, option.name, value)
    configuration["auto"] = _auto(kind, configuration.get("auto"))
    return Trigger(kind, name, configuration=configuration)


def _auto(kind: str, said: str | None) -> str:
    words = dict((("all", "true"), ("none", "false")))  # noqa: C406
    return words.get(said, said) if said else ("oninclude" if kind in ACTION_TYPES else "true")


def _checked(option: Option, said: str, variable: str) -> Any:
    text = said.strip()
    if option.kind == "flag":
        if text.lower() not in ("true", "false"):
            raise BadOption(f"{variable} must be true or false")
        return text.lower() == "true"
    if option.kind == "number":
        if not re.fullmatch(r"-?\d{1,12}", text) or not option.low <= int(text) <= option.high:
            raise BadOption(f"{variable} must be a whole number from {option.low} to {option.high}")
        return int(text)
    if option.kind == "word":
        found = next((word for word in option.words if word.lower() == text.lower()), None)
        if found is None:
            raise BadOption(f"{variable} must be one of {', '.join(option.words)}")
        return found
    if option.name == "digestcron" and not (
        len(text.split()) in (5, 6) and all(_CRON_FIELD.fullmatch(part) for part in text.split())
    ):
        raise BadOption(f"{variable} must be a cron expression such as '0 8 * * *'")
    return said


def _put(configuration: dict[str, Any], name: str, value: Any) -> None:
    """Under its name; one with a dot within what its first part holds."""
    outer, dot, inner = name.partition(".")
    if dot:
        configuration.setdefault(outer, {})[inner] = value
    else:
        configuration[name] = value
