"""The story of an update: prepare, rename, create, stop, start, prove, commit, remove; its one undo is elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from chalicelib.domain.errors import Failed, Stale, Unavailable
from chalicelib.domain.gate import REASON
from chalicelib.domain.operation import CANCELLED, RECREATION, ROLLBACK, WAS_CANCELLED, Operation, Phase, temporary_name
from chalicelib.ports.engine import EngineError, EngineRejected
from local_runtime.executor.aftercare.dependents import running_dependents
from local_runtime.executor.compose.started import after_start
from local_runtime.executor.compose.step import require_editable
from local_runtime.executor.host import Host, restart_of, restart_policy
from local_runtime.executor.security.gatekeeper import Refused
from local_runtime.executor.updating.health import has_health_check, require_alive, require_healthy
from local_runtime.executor.updating.hooks import before_update
from local_runtime.executor.updating.ledger import attempt, insist, record
from local_runtime.executor.updating.prepare import Prepared, prepare, remember
from local_runtime.executor.updating.undo import give_name, undo

log = logging.getLogger(__name__)

_REMOVAL_PAUSES = (0.0, 0.2, 0.4, 0.8, 1.6)


class Broken(Exception):
    """A step went wrong; `code` is one of the operation's reasons."""

    def __init__(self, code: str, cause: Exception) -> None:
        super().__init__(str(cause) or type(cause).__name__)
        self.code = code


def update(host: Host, operation: Operation) -> Operation:
    """Carry it out from the start and end it.

    Raises Stale when the operation is in other hands by now, Unavailable or EngineUnavailable when it stays open.
    """
    story = Story(host, record(host, operation, Phase.PREPARE))
    if story.operation.cancel_requested:
        return story.record(Phase.FAILED, last_error=WAS_CANCELLED, reason_code=CANCELLED)
    temp_name = temporary_name(operation.identity.name, host.clock.now())
    try:
        with _step("update_runtime_failed"):
            prepared = _prepared(host, story.operation)
            settled = prepared.nothing_new(operation) or host.action(operation.trigger).dry_run
            if not settled:
                require_editable(host, operation, prepared.source, prepared.bound_digest)
                before_update(host, operation, prepared.source, prepared.old_image)
                remember(host, operation, prepared, temp_name)
                dependents = _dependents(host, operation)
    except Broken as broken:
        refused = REASON if broken.code == REASON else None
        return story.record(Phase.FAILED, last_error=str(broken), reason_code=refused)
    if settled:
        return story.record(Phase.SUCCEEDED, new_container_id=operation.container_id)
    try:
        story.replace_container(prepared, temp_name, dependents)
        return story.commit()
    except Broken as broken:
        return undo(host, story.operation, broken.code, str(broken))


class Story:
    """One run through the acts on the host; `operation` is as it was last stored."""

    def __init__(self, host: Host, operation: Operation) -> None:
        self._host = host
        self.operation = operation

    def record(self, phase: Phase, **facts: object) -> Operation:
        """Store one more fact."""
        self.operation = record(self._host, self.operation, phase, **facts)
        return self.operation

    def replace_container(self, prepared: Prepared, temp_name: str, dependents: tuple[str, ...]) -> None:
        """Put the new container in the place of the old one, up to its proof. Raises Broken."""
        engine, old_id = self._host.engine, self.operation.container_id
        self.record(
            Phase.PREPARE,
            temp_name=temp_name,
            was_running=prepared.was_running,
            dependents=dependents,
            new_image_id=prepared.new_image["Id"],
            bound_digest=prepared.bound_digest,
            old_restart=restart_of(prepared.source),
        )
        self._unless_cancelled()
        with _step("update_runtime_failed"):
            engine.rename(old_id, temp_name)
        self.record(Phase.RENAMED)
        self._unless_cancelled()
        with _step("create_new_failed"):
            if self.operation.kind == ROLLBACK:
                give_name(engine, prepared.new_image["Id"], prepared.replica.body["Image"])
            new_id = engine.create(prepared.replica.name, prepared.replica.body)
        self.record(Phase.NEW_CREATED, new_container_id=new_id)
        with _step("create_new_failed"):
            for network, endpoint in prepared.replica.connect:
                engine.connect(network, new_id, endpoint)
            # The tag may have moved between the look at the image and the creation.
            if engine.inspect(new_id)["Image"] != prepared.new_image["Id"]:
                raise Failed("the tag was moved while the container was being created")
        self._unless_cancelled(look=True)
        if prepared.was_running:
            self._set_aside()
            self._switch(new_id)
            self.prove()

    def _set_aside(self) -> None:
        """From here on an engine that restarts does not start the old container beside the new one.

        An engine that cannot change restart policies may still be updated on: recovery never lets both run.
        """
        if self.operation.old_restart is None:
            return
        with _step("stop_old_failed"):
            try:
                self._host.engine.set_restart(self.operation.container_id, restart_policy(None))
            except EngineRejected as error:
                log.warning("%s keeps its restart policy while it is set aside: %s", self.operation.temp_name, error)

    def _unless_cancelled(self, *, look: bool = False) -> None:
        """Raises Broken when somebody asked for its end; with `look` also if that was after the last fact."""
        asked = self.operation.cancel_requested
        if look and not asked:
            with suppress(Unavailable):
                current = self._host.operations.get(self.operation.identity, self.operation.id)
                asked = current is not None and current.cancel_requested
        if asked:
            raise Broken(CANCELLED, Failed(WAS_CANCELLED))

    def _switch(self, new_id: str) -> None:
        """From the old container to the new one. Between the two the service is down, and nothing is waited for."""
        host = self._host
        with host.claim.service_down():
            with _step("stop_old_failed"):
                host.engine.stop(self.operation.container_id)
            stopped = self.operation.at(Phase.OLD_STOPPED, host.clock.now(), old_stopped=True)
            self.operation = attempt(host, stopped)
            with _step("start_new_failed"):
                host.engine.start(new_id)
        if self.operation is stopped:
            self.operation = insist(host, stopped)
        self.record(Phase.NEW_STARTED)

    def prove(self) -> None:
        """Wait until the new container has shown that it lives. Raises Broken."""
        host, new_id = self._host, self.operation.new_container_id or ""
        with _step("start_new_failed"):
            document = require_alive(host, new_id, host.settings.liveness_grace_ms / 1000)
        with _step("start_new_failed"):
            after_start(host, self.operation, document)
        checked = has_health_check(document)
        if not checked and host.witness is None:
            return
        self.record(Phase.HEALTH_GATE)
        with _step("health_gate_failed"):
            if checked:
                require_healthy(host, new_id, lambda: self.record(Phase.HEALTH_GATE))
            if host.witness is not None:
                host.witness(host, new_id, lambda: self.record(Phase.HEALTH_GATE))
        self.record(Phase.HEALTH_GATE_PASSED, committed=True)

    def commit(self) -> Operation:
        """From here on the new container stays, whatever becomes of the old one. It is ended."""
        if not self.operation.committed:
            self.record(self.operation.phase, committed=True)
        return self.record(Phase.SUCCEEDED, last_error=self._remove_old())

    def _remove_old(self) -> str | None:
        """Why the old container is still there, if it is: then it is left to be tidied away."""
        trouble: EngineError | None = None
        for pause in _REMOVAL_PAUSES:
            if pause:
                self._host.clock.sleep(pause)
            try:
                self._host.engine.remove(self.operation.container_id, force=True)
                return None
            except EngineError as error:
                trouble = error
        return f"the old container could not be removed yet: {trouble}"


def _dependents(host: Host, operation: Operation) -> tuple[str, ...]:
    """Those that run in its namespaces; a copy's own provider has taken some of them along before."""
    before = operation.dependents if operation.kind == RECREATION else ()
    now = running_dependents(host.engine, host.households, operation.container_id)
    return tuple(dict.fromkeys((*before, *now)))


def _prepared(host: Host, operation: Operation) -> Prepared:
    try:
        return prepare(host, operation)
    except Refused as refusal:
        raise Broken(REASON, refusal) from refusal


@contextmanager
def _step(code: str) -> Iterator[None]:
    """Turn whatever goes wrong on the host into Broken with its reason; trouble with the claim or store passes."""
    try:
        yield
    except (Stale, Unavailable, Broken):
        raise
    except Exception as error:
        raise Broken(code, error) from error
