"""Looking after what ended operations left on a host: old copies, and containers cut off from their provider."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Conflict
from chalicelib.domain.labels import canonical_name
from chalicelib.domain.operation import RECREATION, Operation, Phase, original_name
from chalicelib.ports.engine import EngineError
from local_runtime.executor.aftercare.dependents import Document, stranded
from local_runtime.executor.busy import Busy
from local_runtime.executor.compose.retry import retry_edits
from local_runtime.executor.host import Host
from local_runtime.executor.updating.undo import make_whole

log = logging.getLogger(__name__)


def put_right(host: Host, agent: str, watcher: str, busy: Busy) -> int:
    """Bring compose files in step that could not be, and remove what is left over; how many containers are gone.

    Raises EngineUnavailable.
    """
    retry_edits(host, agent, watcher, busy)
    return remove_leftovers(host, agent, watcher, busy)


def remove_leftovers(host: Host, agent: str, watcher: str, busy: Busy) -> int:
    """Remove set-aside copies whose update succeeded, try again what a rollback could not do; how many are gone.

    A copy that no operation of ours accounts for is not touched. Raises EngineUnavailable.
    """
    gone = 0
    for summary in host.engine.containers(all=True):
        for engine_name in summary.get("Names") or ():
            name = engine_name.lstrip("/")
            original = original_name(name)
            if original is None:
                continue
            identity = Identity(agent, watcher, original)
            with busy.hold(identity):
                gone += _settle(host, identity, name, summary["Id"])
    return gone


def stranded_dependents(host: Host, agent: str, watcher: str) -> Iterator[Operation]:
    """An opened operation for each container in a namespace of one that Slipway has replaced. Raises EngineUnavailable.

    One that is being changed already is left to whoever does.
    """
    stored = host.containers.of_watcher(agent, watcher)
    replaced = {former: one.identity for one in stored for former in one.former_ids}
    for provider_id, document in stranded(host.engine, host.households, replaced):
        name = str(document["Name"]).lstrip("/")
        if original_name(name) is not None:
            continue
        try:
            identity = Identity(agent, watcher, canonical_name(name))
            yield host.operations.open(_recreation(host, identity, document, replaced[provider_id]))
        except Conflict:
            log.info("%s is being changed already; it will find its provider then", name)


def _settle(host: Host, identity: Identity, name: str, container_id: str) -> int:
    history = host.operations.history(identity)
    operation = next((one for one in history if one.temp_name == name), None)
    if operation is None or any(not one.ended for one in history):
        return 0
    try:
        if operation.phase is Phase.SUCCEEDED:
            host.engine.remove(container_id, force=True)
            return 1
        if operation.phase is Phase.ROLLBACK_FAILED:
            course, _ = make_whole(host, operation)
            return int(course.end is Phase.ROLLED_BACK)
    except EngineError as error:
        log.warning("%s could not be cleared away: %s", name, error)
    return 0


def _recreation(host: Host, identity: Identity, document: Document, provider: Identity) -> Operation:
    """A copy of the container for the namespace of its provider; it is to run if it did before that was replaced."""
    now = host.clock.now()
    image = str(document["Config"]["Image"])
    moves = [one for one in host.operations.history(provider) if document["Id"] in one.dependents]
    ran_with = next((one.dependents for one in moves if one.phase is not Phase.FAILED), ())
    return Operation(
        id=host.clock.new_id(),
        identity=identity,
        container_id=document["Id"],
        created_at=now,
        updated_at=now,
        kind=RECREATION,
        was_running=bool(document["State"].get("Running") or ran_with),
        dependents=tuple(one for one in ran_with if one != document["Id"]),
        from_version=image,
        to_version=image,
        target_image=image,
    )
