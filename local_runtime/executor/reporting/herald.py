"""What an executor tells the world, and does by itself: news into the outbox, the outbox to its triggers, updates."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from chalicelib.bootstrap import Services
from chalicelib.domain.agent import SILENCE
from chalicelib.domain.audit import AuditEntry
from chalicelib.domain.container import Container, Identity
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.domain.notice import Cycle
from chalicelib.domain.operation import UPDATE, Operation
from chalicelib.usecases.install import install
from chalicelib.usecases.notify import Notify, offered
from chalicelib.usecases.order import Ordering
from local_runtime.executor.aftercare.conclusion import Conclusion
from local_runtime.executor.aftercare.followups import FOLLOWUPS
from local_runtime.executor.aftercare.lookout import Lookout
from local_runtime.executor.reporting.delivery import Delivery, Perform, next_time
from local_runtime.executor.updating.automatic import Automatic

log = logging.getLogger(__name__)

_RECENT = timedelta(days=1)


class Herald:
    """The voice of one executor. `later` runs something in the background."""

    def __init__(self, services: Services, later: Callable[[Callable[[], object]], object]) -> None:
        self._services = services
        settings = services.settings
        self._agent = settings.agent
        self._triggers = settings.triggers.triggers
        self._notify = Notify(
            settings.agent,
            self._triggers,
            services.outbox,
            services.author,
            services.clock,
            offered=self._offered,
            next_digest=next_time,
        )
        self._delivery = Delivery(services)
        self.beside: Callable[[Perform], Perform] = self._delivery.beside
        self._automatic = Automatic(services, later)
        self.lookout = Lookout(services)
        self._silent: dict[str, datetime] = {}
        self._installs = services.installs(self._install)

    def start(self) -> None:
        """Begin to deliver, and to hear install buttons."""
        for installs in self._installs:
            installs.start()
        self._delivery.start()
        self._automatic.start()
        self.lookout.start()

    def stop(self) -> None:
        """Deliver no more; what waits is delivered after the next start."""
        self.lookout.stop()
        self._automatic.stop()
        self._delivery.stop()
        for installs in self._installs:
            installs.stop()

    def checked(self, containers: Sequence[Container]) -> None:
        """The containers of a check, once they are stored."""
        self._tell(lambda: self._notify.checked(containers))
        self._automatic.checked(containers)

    @property
    def conclusion(self) -> Conclusion:
        """What follows the end of an operation, and is told of it."""
        services = self._services
        followups = (*FOLLOWUPS, self.lookout.begin)
        return Conclusion(services.containers, services.audit, services.clock, self.ended, followups)

    def ended(self, operation: Operation, container: Container | None) -> None:
        """The end of an operation."""
        if operation.kind == UPDATE:
            self._tell(lambda: self._notify.ended(operation, container))
            self._automatic.ended(operation)

    def security_alert(self, container: Container, details: str, report: str, cycle: Cycle | None = None) -> None:
        """A scan found what should alarm somebody. `report` names the finding: the same one is told once."""
        self._tell(lambda: self._notify.security_alert(container, details, report, cycle))

    def cycle_over(self, cycle: Cycle) -> None:
        """A round of scans is over: what it found may be told as a whole."""
        self._tell(lambda: self._notify.cycle_over(cycle))

    def removed(self, containers: Sequence[Container]) -> None:
        """Containers that are gone, before their records go."""
        self._tell(lambda: self._notify.removed(containers))

    def look_around(self) -> None:
        """Tell of agents that have fallen silent, and of those that are back."""
        now = self._services.clock.now()
        for agent in self._services.agents.all():
            if agent.name == self._agent or agent.seen_at is None:
                continue
            silent_since = self._silent.get(agent.name)
            if agent.connected(now):
                if silent_since is not None:
                    self._tell(lambda: self._notify.agent_reconnected(agent.name, silent_since))  # noqa: B023
                    del self._silent[agent.name]
            elif now - agent.seen_at < _RECENT and silent_since != agent.seen_at:
                since = agent.seen_at
                self._note_silence(agent.name, since)
                self._tell(lambda: self._notify.agent_disconnected(agent.name, since))  # noqa: B023
                self._silent[agent.name] = since

    def _note_silence(self, agent: str, since: datetime) -> None:
        """A row in the audit log of this agent: the silent one's is its own."""
        row = AuditEntry(
            id=f"{agent}:{since.isoformat()}:agent-disconnect",
            at=since + SILENCE,
            action="agent-disconnect",
            status="info",
            identity=Identity(self._agent, "", agent),
            details=f"Nothing has been heard of agent {agent} since {since.isoformat(timespec='seconds')}",
        )
        self._services.audit.add([row])

    def _tell(self, tell: Callable[[], int]) -> None:
        """Trouble with telling is no trouble of whoever has news; only the store's own is, for then news would be lost.

        Raises Unavailable.
        """
        try:
            self._notify.rules = self._services.rules.rules()
            if tell():
                self._delivery.hurry()
        except Unavailable:
            raise
        except SlipwayError as error:
            log.warning("news could not be kept: %s", error)

    def _offered(self, container: Container) -> bool:
        """Whether no policy holds its candidate back at this moment."""
        override, _ = self._services.policies.get(container.identity)
        return offered(container, override, self._services.clock.now())

    def _install(self, watcher: str, name: str) -> None:
        """Somebody pressed an install button: the update is asked for as by any other hand."""
        services = self._services
        ordering = Ordering(services.agents, services.commands, services.queue, services.clock, timedelta(0))
        try:
            install(self._agent, watcher, name, services.own_fleet, ordering, services.operations)
        except SlipwayError as error:
            log.warning("%s is not updated by its install button: %s", name, error)
