"""The settings of hooks, read by `config`: `DD_HOOKS_*`."""

from __future__ import annotations

from chalicelib.domain.hook import HookRules
from chalicelib.settings_reader import Reader


def read_hooks(reader: Reader) -> HookRules:
    """Off unless said; the list of programs is separated by commas."""
    listed = (reader.get("DD_HOOKS_ALLOWED_COMMANDS") or "").split(",")
    programs = frozenset(program.strip() for program in listed if program.strip())
    return HookRules(reader.flag("DD_HOOKS_ENABLED", False), programs)
