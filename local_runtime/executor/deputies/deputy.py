"""A deputy: a short-lived second container that updates the one its executor runs in, or speaks to the engine through.

It is made from the image the executor runs at present, and carries out one operation by the ordinary story; what it
does there is in errand.py. The engine starts it again when it dies.
"""

from __future__ import annotations

import ipaddress
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from chalicelib.config import Settings, WatcherSettings
from chalicelib.domain.command import Command
from chalicelib.domain.container import Identity
from chalicelib.domain.errors import Conflict, Unavailable
from chalicelib.domain.operation import Operation, Phase
from chalicelib.ports.engine import EngineError
from local_runtime.engine.replica import plan_replica
from local_runtime.executor.busy import Busy
from local_runtime.executor.claim import HandedOver
from local_runtime.executor.deputies.itself import Itself
from local_runtime.executor.host import Host
from local_runtime.executor.inspection import inspect_optional, moment_of, started_at
from local_runtime.executor.station import Station
from local_runtime.executor.updating.ledger import record

Document = Mapping[str, Any]

IMPOSSIBLE = "self_update_impossible"
"""The reason of an operation on ourselves that no deputy could carry out; nothing was touched."""
OPERATION_LABEL, AGENT_LABEL, NAME_LABEL = "dd.self-update", "dd.self-update.agent", "dd.self-update.container"
MODE_LABEL, INFRASTRUCTURE = "dd.update.mode", "infrastructure"
ENGINE_SOCKET = "/run/slipway-engine.sock"
"""Where a deputy finds the engine when it must not speak through the container it updates."""
_USUAL_SOCKET = "/var/run/docker.sock"
_RESTARTS = 10
_PATIENCE = timedelta(minutes=5)
"""How old a deputy may become that has touched nothing yet and does not hold its claim."""
_LINGERING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Errand:
    """What a deputy is needed for: the executor's own container, or another one that the executor speaks through."""

    executor: Document
    transport: Document | None = None


class Deputies:
    """Sends deputies and clears them away."""

    def __init__(self, settings: Settings, itself: Itself, busy: Busy) -> None:
        self._settings = settings
        self._itself = itself
        self._busy = busy
        self._watchers = {one.name: one for one in settings.watchers}

    def entrust(self, host: Host, operation: Operation, attentive_since: datetime) -> Operation | None:
        """Have it carried out by a deputy when it is about us; None when it is not, or comes too late to be begun.

        Gives the operation, ended, when that is impossible. Raises HandedOver once a deputy is on its way, Unavailable
        while other containers are being changed, EngineUnavailable.
        """
        if operation.phase is Phase.QUEUED and operation.forgotten(attentive_since):
            return None
        untouched = operation.temp_name is None
        try:
            errand = self._errand(host, operation)
            if errand is None:
                return None
            if operation.phase is Phase.QUEUED and self._busy.others(operation.identity):
                raise Unavailable(f"{operation.identity.name} waits until no other container is being changed")
            found = inspect_optional(host.engine, name_of(operation.id))
            if found is None and operation.phase is Phase.QUEUED:
                # It may have waited long for its turn; to the deputy, which listens from now on, it is news.
                operation = record(host, operation, Phase.QUEUED)
            _send(host, operation, errand, found)
        except (Conflict, EngineError) as error:
            if isinstance(error, EngineError) and error.transient:
                raise
            if not untouched:
                raise Unavailable(f"its deputy cannot be sent: {error}") from error
            host.engine.remove(name_of(operation.id), force=True)
            why = f"self-update is impossible: {error}"
            return record(host, operation, Phase.FAILED, reason_code=IMPOSSIBLE, last_error=why)
        raise HandedOver(f"operation {operation.id} is in the hands of its deputy, {name_of(operation.id)}")

    def has_done(self, station: Station, command: Command, container_id: str) -> bool:
        """Whether such an order to our own container was carried out by a life before: we were started after it.

        Else it would be carried out again and again, for no life is left to write down that it was. Raises EngineError.
        """
        engine = station.watcher.engine
        if container_id not in self._itself.on(station.watcher.name, engine):
            return False
        return started_at(engine.inspect(container_id)) > command.created_at

    def clear(self, host: Host, agent: str, watcher: str) -> int:
        """Remove deputies that have nothing to do any more; how many. Raises EngineError."""
        gone = 0
        for summary in host.engine.containers(all=True):
            labels = summary.get("Labels") or {}
            if OPERATION_LABEL not in labels or labels.get(AGENT_LABEL) != agent:
                continue
            # Any image may bear such labels, but only we give such a name.
            if f"/{name_of(labels[OPERATION_LABEL])}" not in (summary.get("Names") or ()):
                continue
            identity = Identity(agent, watcher, labels.get(NAME_LABEL, ""))
            operation = host.operations.get(identity, labels[OPERATION_LABEL])
            if operation is not None and not operation.ended:
                continue
            recently = operation is not None and operation.updated_at > host.clock.now() - _LINGERING
            if summary.get("State") == "running" and recently:
                continue  # It is about to remove itself.
            host.engine.remove(summary["Id"], force=True)
            gone += 1
        return gone

    def _errand(self, host: Host, operation: Operation) -> Errand | None:
        """What it takes; None when the operation is about anybody else. Raises Conflict when it cannot be done."""
        watcher = self._watchers[operation.identity.watcher]
        ids = self._itself.on(watcher.name, host.engine)
        touched = {operation.container_id, operation.new_container_id}
        own = bool(touched & set(ids))
        if not own and not self._spoken_through(host, watcher, operation):
            return None
        if not ids:
            raise Conflict("the engine is reached through this container, and this executor runs in none of its own")
        if len(ids) > 1:
            raise Conflict(f"it cannot be told in which of {', '.join(one[:12] for one in ids)} this executor runs")
        executor = host.engine.inspect(ids[0])
        problem = obstacle(executor, self._settings, watcher, through=not own)
        if problem is not None:
            raise Conflict(problem)
        if own:
            # Once the new one runs, the image that is known to work is still that of the old one.
            return Errand(inspect_optional(host.engine, operation.container_id) or executor)
        return Errand(executor, inspect_optional(host.engine, operation.container_id) or executor)

    def _spoken_through(self, host: Host, watcher: WatcherSettings, operation: Operation) -> bool:
        container = host.containers.get(operation.identity)
        if container is not None and container.own_labels.get(MODE_LABEL) == INFRASTRUCTURE:
            return True
        address = urlsplit(watcher.base_url).hostname
        if address is None or _loopback(address):
            return False
        document = inspect_optional(host.engine, operation.container_id)
        return document is not None and address in _addresses(document)


def _send(host: Host, operation: Operation, errand: Errand, found: Document | None) -> None:
    """Let the deputy run, whatever was `found` of it. Raises Conflict when it gets nowhere."""
    engine, name = host.engine, name_of(operation.id)
    if found is not None and operation.temp_name is None and _age(host, found) > _PATIENCE:
        raise Conflict(f"the second container for it gets nowhere ({found['State'].get('Status')})")
    if found is None:
        body, networks = _body(host, operation, errand)
        engine.create(name, body)
        for network in networks:
            engine.connect(network, name, {})
    if found is None or not (found["State"].get("Running") or found["State"].get("Restarting")):
        engine.start(name)


def _age(host: Host, document: Document) -> timedelta:
    return host.clock.now() - moment_of(document["Created"])


def obstacle(executor: Document, settings: Settings, watcher: WatcherSettings, *, through: bool) -> str | None:
    """Why a container like the executor's could not do the executor's work, in words for a person.

    `executor` is its inspect document. `through` says that the engine is reached through the container to be updated.
    """
    mounts = [str(mount.get("Destination")) for mount in executor.get("Mounts") or ()]
    own_network = str((executor.get("HostConfig") or {}).get("NetworkMode")) not in ("host",)
    config = executor.get("Config") or {}
    if not any("executor" in part for part in [*(config.get("Entrypoint") or ()), *(config.get("Cmd") or ())]):
        return "the executor's container runs other programs as well, which its update would stop; give it its own"
    for url in (settings.dynamodb_url, settings.sqs_url):
        if url and own_network and _loopback(urlsplit(url).hostname or ""):
            return f"the store at {url} cannot be reached by a second container"
    if through:
        return None
    engine = urlsplit(watcher.base_url)
    if engine.scheme in ("unix", "http+unix"):
        if not any(engine.path == one or engine.path.startswith(f"{one.rstrip('/')}/") for one in mounts):
            return f"the engine's socket {engine.path} is not mounted into the executor's container"
    elif own_network and _loopback(engine.hostname or ""):
        return f"the engine at {watcher.base_url} cannot be reached by a second container"
    return None


def _body(host: Host, operation: Operation, errand: Errand) -> tuple[dict[str, Any], list[str]]:
    """The create call of a deputy, and the networks it is connected to besides: those of the executor."""
    source = errand.executor
    replica = plan_replica(
        source,
        {},
        {"Id": source["Image"]},
        name=name_of(operation.id),
        image=source["Image"],
        api_version=host.engine.api_version(),
        default_runtime=host.engine.info().get("DefaultRuntime"),
    )
    body = replica.body
    # What is the executor's alone: its names and addresses, its ports, how people find and watch it.
    for part in ("Hostname", "Domainname", "MacAddress", "ExposedPorts", "NetworkingConfig", "StopSignal"):
        body.pop(part, None)
    body |= {
        "Entrypoint": [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "local_runtime.executor"],
        "Cmd": ["--operation", operation.id, *(["--own"] if errand.transport is None else [])],
        "Healthcheck": {"Test": ["NONE"]},
        "Labels": {
            "dd.watch": "false",
            OPERATION_LABEL: operation.id,
            AGENT_LABEL: operation.identity.agent,
            NAME_LABEL: operation.identity.name,
        },
        "Tty": False,
        "OpenStdin": False,
    }
    body["HostConfig"] |= {
        "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": _RESTARTS},
        "AutoRemove": False,
        "PortBindings": {},
        "PublishAllPorts": False,
        "Links": [],
        "ContainerIDFile": "",
    }
    if errand.transport is not None:
        _reach_directly(body, errand.transport)
    return body, [network for network, _ in replica.connect]


def _reach_directly(body: dict[str, Any], transport: Document) -> None:
    """Give it the engine's own socket, as the container that passes calls on to it has it."""
    sockets = [one["Source"] for one in transport.get("Mounts") or () if str(one.get("Destination")).endswith(".sock")]
    socket = next(iter(sockets), _USUAL_SOCKET)
    body["HostConfig"]["Binds"] = [*(body["HostConfig"].get("Binds") or ()), f"{socket}:{ENGINE_SOCKET}"]
    body["Cmd"] += ["--socket", ENGINE_SOCKET]
    body["User"] = "0"


def name_of(operation_id: str) -> str:
    """What the deputy for that operation is called."""
    return f"slipway-deputy-{operation_id}"


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _addresses(document: Document) -> set[str]:
    """The names and addresses by which others reach a container."""
    found = {str(document["Name"]).lstrip("/"), str((document.get("Config") or {}).get("Hostname") or "")}
    for endpoint in ((document.get("NetworkSettings") or {}).get("Networks") or {}).values():
        found |= {str((endpoint or {}).get("IPAddress") or ""), *((endpoint or {}).get("Aliases") or ())}
    return found - {""}
