"""One watched engine and what it takes to change what runs on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chalicelib.bootstrap import Services
from chalicelib.config import WatcherSettings
from chalicelib.domain.container import Container
from chalicelib.ports.engine import Engine
from local_runtime.engine.absent import absent_engine
from local_runtime.engine.docker_engine import DockerEngine, Ssh, Tls
from local_runtime.executor.aftercare.dependents import Households
from local_runtime.executor.busy import Busy
from local_runtime.executor.claim import Claim, fenced
from local_runtime.executor.host import Host, Witness
from local_runtime.executor.security.gatekeeper import Gatekeeper
from local_runtime.executor.tools import Check, Tools
from local_runtime.executor.updating.blueprints import Blueprints
from local_runtime.executor.watching.inventory import with_findings
from local_runtime.executor.watching.watcher import Watcher

Connect = Callable[[WatcherSettings], Engine]


@dataclass(frozen=True, slots=True)
class Station:
    """A watcher; `hold` gives what it takes to change its host, for as long as a claim lasts."""

    watcher: Watcher
    hold: Callable[[Claim], Host]

    def with_witness(self, witness: Witness) -> Station:
        """The same station, where a new container must also show what this witness asks for."""
        return replace(self, hold=lambda claim: replace(self.hold(claim), witness=witness))


def connect(settings: WatcherSettings) -> Engine:
    """The Docker engine a watcher names; one that cannot be reached as configured says why at every call."""
    if settings.problem is not None:
        return absent_engine(settings.problem)
    files = (settings.ca_file, settings.cert_file, settings.key_file)
    tls = Tls(*files) if any(files) else None
    ssh = Ssh(settings.ssh_key, settings.ssh_known_hosts)
    return DockerEngine(settings.base_url, tls=tls, authorization=settings.login or settings.authorization, ssh=ssh)


def tools_of(
    services: Services,
    check: Check,
    busy: Busy,
    checked: Callable[[Sequence[Container]], object] = lambda _: None,
    removed: Callable[[Sequence[Container]], object] = lambda _: None,
) -> Tools:
    """What the watchers of one executor share; `checked` and `removed` are told of containers."""
    return Tools(
        containers=services.containers,
        operations=services.operations,
        audit=services.audit,
        registries=services.registries,
        patterns=services.patterns,
        check=check,
        clock=services.clock,
        busy=busy,
        checked=checked,
        removed=removed,
        merge=partial(with_findings, gate=services.settings.security.gate),
    )


def station(
    services: Services,
    settings: WatcherSettings,
    engine: Engine,
    tools: Tools,
    blueprints: Blueprints,
    gatekeeper: Gatekeeper,
) -> Station:
    """The station at this engine."""
    households = Households()

    def hold(claim: Claim) -> Host:
        return Host(
            engine=fenced(engine, claim),
            claim=claim,
            operations=services.operations,
            containers=services.containers,
            backups=services.backups,
            blueprints=blueprints,
            registries=services.registries,
            clock=services.clock,
            settings=services.settings,
            gatekeeper=gatekeeper,
            audit=services.audit,
            households=households,
        )

    return Station(Watcher(services.settings.agent, settings, engine, tools), hold)
