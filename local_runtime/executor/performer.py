"""Carry out commands: each kind has one way to be carried out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any

from chalicelib.config import Settings
from chalicelib.domain.command import CommandKind, subject
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import NotFound
from chalicelib.ports.engine import Engine, EngineError
from local_runtime.executor.aftercare.conclusion import Conclusion
from local_runtime.executor.busy import Busy
from local_runtime.executor.claim import Claim
from local_runtime.executor.deputies.deputy import Deputies
from local_runtime.executor.deputies.itself import Itself
from local_runtime.executor.inspection import inspect_optional
from local_runtime.executor.station import Station
from local_runtime.executor.updating.preview import preview
from local_runtime.executor.updating.updates import Updates
from local_runtime.executor.watching.by_hand import watch

Result = Mapping[str, Any]
Later = Callable[[Callable[[], object]], object]

_VERBS: Mapping[CommandKind, Callable[[Engine, str], None]] = {
    CommandKind.START: lambda engine, container: engine.start(container),
    CommandKind.STOP: lambda engine, container: engine.stop(container),
    CommandKind.RESTART: lambda engine, container: engine.restart(container),
}


class Performer:
    """Knows every kind of command. `later` runs something in the background, `hurry` has the operations swept.

    With `sender`, an executor's settings, what concerns its own container is done by a deputy.
    """

    def __init__(
        self,
        stations: Mapping[str, Station],
        conclusion: Conclusion,
        busy: Busy,
        later: Later,
        hurry: Callable[[], None],
        sender: Settings | None = None,
    ) -> None:
        self._stations = stations
        self._conclusion = conclusion
        self._busy = busy
        self._later = later
        self._itself = Itself()
        self._deputies = Deputies(sender, self._itself, busy) if sender is not None else None
        self._updates = Updates(conclusion, busy, later, hurry, self._deputies)

    def perform(self, claim: Claim, attentive_since: datetime) -> Result:
        """Do it and say what came of it. Raises SlipwayError when it failed.

        `attentive_since` is when this executor began to listen: what was asked long before is not begun any more.
        """
        kind = claim.command.kind
        if kind is CommandKind.WATCH:
            return watch({name: station.watcher for name, station in self._stations.items()}, claim.command)
        if kind is CommandKind.TIDY:
            return {"removed": sum(self._updates.tidy(station, claim) for station in self._stations.values())}
        identity, container_id = subject(claim.command)
        station = self._named(identity.watcher)
        if kind is CommandKind.UPDATE:
            return self._updates.update(station, claim, attentive_since)
        if kind is CommandKind.PREVIEW:
            return preview(station.hold(claim), claim.command)
        if kind is CommandKind.REVEAL:
            return _reveal(station, identity, container_id)
        return self._act(station, claim, container_id)

    def own_containers(self) -> list[str]:
        """The ids of the containers this executor runs in, of those it knows: one, when it does, or none."""
        found: list[str] = []
        for name, station in self._stations.items() if self._deputies is not None else ():
            with suppress(EngineError):
                found += self._itself.on(name, station.watcher.engine)
        return found

    def _act(self, station: Station, claim: Claim, container_id: str) -> Result:
        """Start, stop or restart; already being in that state is no error."""
        identity, _ = subject(claim.command)
        kind, host = claim.command.kind, station.hold(claim)
        with self._busy.hold(identity):
            if inspect_optional(host.engine, container_id) is None:
                raise NotFound(f"{identity.name} is gone from its host")
            if self._deputies is not None and self._deputies.has_done(station, claim.command, container_id):
                return {"container_id": container_id}
            try:
                _VERBS[kind](host.engine, container_id)
            except Exception as error:
                self._conclusion.note(identity, claim.command, "error", str(error))
                raise
            self._conclusion.note(identity, claim.command, "success")
            station.watcher.replaced(identity, container_id, host.containers.get(identity))
        self._later(lambda: station.watcher.refresh(container_id))
        return {"container_id": container_id}

    def _named(self, watcher: str) -> Station:
        try:
            return self._stations[watcher]
        except KeyError:
            raise NotFound(f"this executor has no watcher named {watcher}") from None


def _reveal(station: Station, identity: Identity, container_id: str) -> Result:
    """The environment as it is, secrets included: whoever asked deletes the command, and nothing is logged."""
    document = inspect_optional(station.watcher.engine, container_id)
    if document is None:
        raise NotFound(f"{identity.name} is gone from its host")
    variables = (entry.partition("=") for entry in document["Config"].get("Env") or ())
    return {"env": [[key, value] for key, _, value in variables]}
