"""What a compose service has run inside its container each time it has been started: its `post_start` entries."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.compose import LeftAlone, NotEditable

_VARIABLE = re.compile(r"\$(?P<escaped>\$)|\$(?:\{|[A-Za-z_])")
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True, slots=True)
class Execution:
    """A command to run inside a container, as its `user` and in `working_dir` (empty: the container's own).

    `environment` is added to the container's, as `NAME=value`.
    """

    command: tuple[str, ...]
    user: str = ""
    working_dir: str = ""
    environment: tuple[str, ...] = ()
    privileged: bool = False


def post_start(entry: Any) -> Execution:
    """One entry as a compose file says it, its scalars as text. Raises NotEditable, LeftAlone when variables are in it.

    A variable gets its value where compose is called, from a shell or an `.env` file that nobody else knows.
    """
    if not isinstance(entry, Mapping):
        raise NotEditable("an entry of post_start in the compose file is no mapping")
    command = _command(entry.get("command"))
    if not command:
        raise NotEditable("an entry of post_start in the compose file says no command")
    privileged = str(entry.get("privileged") or "false").lower()
    if privileged not in _WORDS:
        raise NotEditable(f"`privileged` of a post_start entry in the compose file is {privileged}")
    return Execution(
        command=command,
        user=_text(entry.get("user")),
        working_dir=_text(entry.get("working_dir")),
        environment=_environment(entry.get("environment")),
        privileged=_WORDS[privileged],
    )


def _command(said: Any) -> tuple[str, ...]:
    if isinstance(said, list):
        return tuple(_text(one) for one in said)
    try:
        return tuple(shlex.split(_text(said)))
    except ValueError as error:
        raise NotEditable(f"a post_start command in the compose file cannot be read: {error}") from error


def _environment(said: Any) -> tuple[str, ...]:
    if isinstance(said, Mapping):
        pairs = [(str(name), value) for name, value in said.items()]
    else:
        pairs = [(name, value if equals else None) for name, equals, value in (_pair(one) for one in said or ())]
    for name, value in pairs:
        if value is None:
            raise LeftAlone(f"a post_start entry takes {name} from where compose is called")
    return tuple(f"{name}={_text(value)}" for name, value in pairs)


def _pair(entry: Any) -> tuple[str, str, str]:
    return str(entry).partition("=")


def _text(said: Any) -> str:
    if said is not None and not isinstance(said, str):
        raise NotEditable("a post_start entry of the compose file is no text where it should be")
    text = said or ""
    if any(not found["escaped"] for found in _VARIABLE.finditer(text)):
        raise LeftAlone(f"a post_start entry uses a variable of compose: {text[:80]}")
    return text.replace("$$", "$")
