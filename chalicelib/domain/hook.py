"""Commands an operator hangs on a container by labels, to be run before and after its updates: read, split, judged."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from chalicelib.domain.environment import MASK, SHORTEST, is_sensitive, without, without_user_info
from chalicelib.domain.errors import Invalid
from chalicelib.domain.labels import flag, label

DEFAULT_MS, LONGEST_MS = 60_000, 3_600_000
OUTPUT_LIMIT = 10_240
"""Bytes of a hook's output that are kept."""

NAMES = ("hook.pre", "hook.post")
_SHELL_WORDS = re.compile(r"[;&|<>`\n\r\0]|\$\(")
_VARIABLE = re.compile(r"\$(?:\{(DD_[A-Z_]+)\}|(DD_[A-Z_]+))")
_MILLISECONDS = re.compile(r"[0-9]{1,9}")
_ASSIGNMENT = re.compile(
    r"""(?<![\w.-])(?P<name>[A-Za-z_][\w.-]{0,127})(?P<sign>"?\s{0,8}[=:]\s{0,8})(?P<value>"[^"\n]*"|'[^'\n]*'|[^\s,;"']+)"""
)
_BEARER = re.compile(r"(?P<kind>\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a container's labels ask for; `abort` says whether a failing `before` stops the update."""

    before: str | None = None
    after: str | None = None
    abort: bool = True
    seconds: float = DEFAULT_MS / 1000

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


@dataclass(frozen=True, slots=True)
class HookRules:
    """Whether hooks are run at all, and which programs they may name; no program named means every one."""

    enabled: bool = False
    programs: frozenset[str] = field(default_factory=frozenset)


def hooks_of(labels: Mapping[str, str], of_image: Mapping[str, str]) -> Hooks:
    """The hooks of a container. What its image says is not its operator's word: those labels count for nothing."""
    own = {name: value for name, value in labels.items() if of_image.get(name) != value}
    said = (label(own, "hook.timeout") or "").strip()
    milliseconds = int(said) if _MILLISECONDS.fullmatch(said) else DEFAULT_MS
    return Hooks(
        before=label(own, "hook.pre"),
        after=label(own, "hook.post"),
        abort=flag(own, "hook.pre.abort") is not False,
        seconds=min(max(milliseconds, 1), LONGEST_MS) / 1000,
    )


def command_line(command: str, rules: HookRules, variables: Mapping[str, str]) -> list[str]:
    """The words of one command, run without a shell; `$DD_…` is put in after splitting. Raises Invalid."""
    if _SHELL_WORDS.search(command):
        raise Invalid("a hook is a single command: none of ; & | < > ` $( and no line break")
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise Invalid(f"the hook cannot be read: {error}") from error
    if not words:
        raise Invalid("the hook is empty")
    if rules.programs and words[0] not in rules.programs:
        raise Invalid(f"the hook's program {words[0]} is not listed in DD_HOOKS_ALLOWED_COMMANDS")
    program, *rest = words
    return [program, *(_VARIABLE.sub(lambda found: variables.get(found[1] or found[2], ""), word) for word in rest)]


def secrets_in(environment: Collection[str]) -> set[str]:
    """The values of variables, given as `NAME=value`, that are named like secrets."""
    pairs = (entry.partition("=") for entry in environment)
    return {value for name, _, value in pairs if is_sensitive(name)}


def masked(output: bytes, secrets: Collection[str] = ()) -> str:
    """Output as it may be shown: without known secrets and without whatever is named like one."""
    told = (one for one in secrets if len(one) >= SHORTEST)
    text = without(output[:OUTPUT_LIMIT].decode(errors="replace").replace("\0", ""), told)
    text = _BEARER.sub(rf"\g<kind>{MASK}", without_user_info(text))
    text = _ASSIGNMENT.sub(
        lambda one: f"{one['name']}{one['sign']}{MASK}" if is_sensitive(one["name"]) else one[0], text
    )
    return text.strip()
