"""How long a container is looked after once it was updated, and what ends that: labels ask for it, the ledger tells."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from chalicelib.domain.attempts import lineage
from chalicelib.domain.container import Identity
from chalicelib.domain.labels import flag, label
from chalicelib.domain.operation import RECREATION, UPDATE, Operation, Phase

_WINDOW, _INTERVAL = 300_000, 10_000
_SHORTEST, _LONGEST = 100, 86_400_000
_MILLISECONDS = re.compile(r"^[0-9]{1,9}$")


@dataclass(frozen=True, slots=True)
class Vigil:
    """One container that is looked at every `interval` until then, as its last update asks for."""

    identity: Identity
    operation_id: str
    container_id: str
    until: datetime
    interval: timedelta

    def goes_on(self, history: Sequence[Operation]) -> bool:
        """Whether nothing has been done to the container since, but to make it anew on the same image."""
        last = next((one for one in history if one.kind != RECREATION), None)
        return last is not None and last.id == self.operation_id

    def is_about(self, container_id: str, history: Sequence[Operation]) -> bool:
        """Whether that container is the one that was updated."""
        return self.container_id in lineage(container_id, history)


def vigil(operation: Operation, labels: Mapping[str, str]) -> Vigil | None:
    """The vigil an operation begins: an update that succeeded, of a container whose labels ask for it."""
    if operation.kind != UPDATE or operation.phase is not Phase.SUCCEEDED or not flag(labels, "rollback.auto"):
        return None
    if operation.ended_at is None or operation.new_container_id in (None, operation.container_id):
        return None
    return Vigil(
        operation.identity,
        operation.id,
        operation.new_container_id or "",
        operation.ended_at + window(labels),
        _duration(labels, "rollback.interval", _INTERVAL),
    )


def window(labels: Mapping[str, str]) -> timedelta:
    """How long the labels have a container looked after once it was updated; no time when they do not ask for it."""
    return _duration(labels, "rollback.window", _WINDOW) if flag(labels, "rollback.auto") else timedelta()


def _duration(labels: Mapping[str, str], name: str, default: int) -> timedelta:
    """So many milliseconds; the default for what is no such number, or none that can be meant."""
    text = (label(labels, name) or "").strip()
    found = int(text) if _MILLISECONDS.match(text) else default
    return timedelta(milliseconds=found if _SHORTEST <= found <= _LONGEST else default)
