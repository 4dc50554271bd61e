"""Read Slipway's own log: this process's, and that of every executor that is there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.command import CommandKind, CommandState
from chalicelib.domain.log_entry import LogEntry
from chalicelib.usecases.order import Ordering


def read_own_log(
    own: Sequence[LogEntry], ordering: Ordering, unpack: Callable[[Mapping[str, Any]], LogEntry]
) -> list[LogEntry]:
    """The kept entries of all; executors' components begin with their agent's name. Who does not answer is left out."""
    found = list(own)
    commands = [ordering.order(agent.name, CommandKind.LOG_ENTRIES, {}) for agent in ordering.connected()]
    for command in ordering.wait_all(commands):
        if command.state is CommandState.DONE:
            entries = (unpack(stored) for stored in command.result["entries"])
            found += [replace(entry, component=f"{command.agent}.{entry.component}") for entry in entries]
    return found
