"""Commands, as whoever asked for one may follow it."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.command import Command
from chalicelib.wire import moment


def write(command: Command) -> dict[str, Any]:
    """A command as its asker may follow it."""
    body = {
        "id": command.id,
        "kind": command.kind.value,
        "state": command.state.value,
        "createdAt": moment.write(command.created_at),
        "completedAt": moment.write_optional(command.ended_at),
        "error": command.result.get("error"),
    }
    return {name: value for name, value in body.items() if value is not None}
