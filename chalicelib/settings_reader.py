"""How settings are read: each variable, or the file its `__FILE` twin names; every refusal names its variable."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

log = logging.getLogger(__name__)
_FILE_LIMIT = 1024 * 1024
_OTHERS_MAY_READ = 0o044
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
"""An agent's queue bears its name, behind a prefix, and queues allow no other characters (`infra/agent.yaml`)."""
Value = TypeVar("Value")


class BadSetting(Exception):
    """A setting that cannot be used; the message names its variable and what is allowed."""


class Reader:
    """Variables, each read from its `__FILE` twin when there is one."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment
        self._warned: set[str] = set()

    def get(self, name: str) -> str | None:
        path = self.environment.get(f"{name}__FILE")
        if path is None:
            return self.environment.get(name)
        try:
            file = Path(path)
            if not file.is_file() or file.stat().st_size > _FILE_LIMIT:
                raise BadSetting(f"{name}__FILE must name a regular file of at most 1 MiB, not {path}")
            self._warn_of_readers(name, file)
            return file.read_text().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise BadSetting(f"{name}__FILE names {path}, which cannot be read: {error}") from error

    def _warn_of_readers(self, name: str, file: Path) -> None:
        """Say once that a secret lies open to others on this machine."""
        if file.stat().st_mode & _OTHERS_MAY_READ and name not in self._warned:
            self._warned.add(name)
            log.warning("%s__FILE names %s, which others on this machine can read", name, file)

    def has(self, name: str) -> bool:
        return bool(self.environment.get(name))

    def text(self, name: str, default: str) -> str:
        return self.get(name) or default

    def name(self, variable: str, default: str) -> str:
        value = self.text(variable, default)
        if not _NAME.fullmatch(value):
            raise BadSetting(f"{variable} must be 1 to 50 lower-case letters, digits, _ or -, not {value!r}")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = (self.get(name) or "").strip().lower()
        if value not in ("", "true", "false"):
            raise BadSetting(f"{name} must be true or false, not {value!r}")
        return default if value == "" else value == "true"

    def number(self, name: str, default: int, low: int, high: int) -> int:
        value = self.get(name)
        if not value:
            return default
        if not re.fullmatch(r"\d{1,12}", value.strip()) or not low <= int(value) <= high:
            raise BadSetting(f"{name} must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    def one_of(self, name: str, words: tuple[str, ...], default: str) -> str:
        value = (self.get(name) or default).strip().lower()
        if value not in words:
            raise BadSetting(f"{name} must be one of {', '.join(filter(None, words))}, not {value!r}")
        return value

    def names(self, prefix: str) -> list[str]:
        """The component names below a prefix, as they stand in `PREFIX{NAME}_…`."""
        found = {}
        for variable in self.environment:
            if variable.upper().startswith(prefix):
                name = variable[len(prefix) :].split("_")[0]
                if name:
                    found[name.lower()] = name
        return [found[name] for name in sorted(found)]

    def tree(self, prefix: str) -> dict[str, dict[str, dict[str, str]]]:
        """`{PREFIX}{PROVIDER}_{NAME}_{KEY}` as nested lower-case mappings; deeper keys keep their underscores."""
        found: dict[str, dict[str, dict[str, str]]] = {}
        for variable in sorted(self.environment):
            if not variable.upper().startswith(prefix):
                continue
            plain = variable.removesuffix("__FILE")
            provider, _, rest = plain[len(prefix) :].lower().partition("_")
            name, _, key = rest.partition("_")
            if provider and name:
                component = found.setdefault(provider, {}).setdefault(name, {})
                value = self.get(plain)
                if key and value is not None:
                    component[key] = value
        return found


def components(reader: Reader, prefix: str, problems: list[str], build: Callable[[str, str], Value]) -> list[Value]:
    """One component per name; a bad one is skipped and its problem kept."""
    built = []
    for name in reader.names(prefix):
        try:
            built.append(build(name.lower(), f"{prefix}{name}_"))
        except BadSetting as problem:
            problems.append(str(problem))
    return built


def cron(variable: str, expression: str) -> str:
    fields = expression.split()
    if len(fields) not in (5, 6) or not all(re.fullmatch(r"[\w*/,#?-]+", field) for field in fields):
        raise BadSetting(f"{variable} must be a cron expression such as '0 * * * *', not {expression!r}")
    return expression
