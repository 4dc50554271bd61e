"""An Engine in memory: containers, images and networks that behave as the contract test says, on a clock one turns."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.log import LogQuery
from chalicelib.domain.post_start import Execution
from chalicelib.domain.stats import CpuTimes, Reading
from chalicelib.ports.engine import (
    Document,
    EngineConflict,
    EngineError,
    EngineNotFound,
    EngineUnavailable,
    Event,
    Executed,
    ExecutionLate,
    PullFailed,
    PullProgress,
    RegistryAuth,
)
from tests.fakes.engine_state import (
    Answer,
    FakeContainer,
    FakeImage,
    Fault,
    answer_of,
    inspect_document,
    list_summary,
    merged_config,
    providers,
    tagged,
)
from tests.fakes.engine_streams import FakeEventStream, FakeLogStream

START = 1_700_000_000.0


class FakeEngine:
    """The Engine port. `calls` lists (method, first argument); `fail` plans faults; `advance` turns time."""

    def __init__(self) -> None:
        self.now = START
        self.calls: list[tuple[str, str]] = []
        self.networks = {"bridge", "host", "none"}
        self.executed: list[Execution] = []
        """What was run inside containers."""
        self.answers: dict[str, Answer] = {}
        """What programs inside containers do, by their names."""
        self.services: dict[str, dict[str, str]] = {}
        """The labels of swarm services, by their ids."""
        self._images: dict[str, FakeImage] = {}
        self._offers: dict[str, FakeImage] = {}
        self._containers: dict[str, FakeContainer] = {}
        self._faults: list[Fault] = []
        self._events: list[Event] = []
        self._changed = threading.Condition(threading.RLock())
        self._made = 0

    # What a test prepares.

    def add_image(self, reference: str, config: Mapping[str, Any] | None = None, **script: Any) -> str:
        """An image that is already here, `config` as in image inspect, `script` as in FakeImage: its id."""
        image = self._image(config, script)
        self._store(image, reference)
        return image.id

    def offer(self, reference: str, config: Mapping[str, Any] | None = None, **script: Any) -> str:
        """An image that a pull will find: its id. The same reference can be offered anew with other content."""
        image = self._image(config, script)
        repository = tagged(reference).rpartition(":")[0]
        image.digests.add(f"{repository}@sha256:{hashlib.sha256(b'manifest' + image.id.encode()).hexdigest()}")
        for known in (tagged(reference), *image.digests):
            self._offers[known] = image
        return image.id

    def offered(self, reference: str) -> str | None:
        """The digest of what a pull of that reference finds, as its registry tells it."""
        image = self._offers.get(tagged(reference))
        return next((name.partition("@")[2] for name in image.digests), None) if image else None

    def fail(
        self, *, on: str, times: int = 1, before: bool = True, error: EngineError | None = None, spared: int = 0
    ) -> None:
        """The next `times` calls of method `on` after those `spared` raise, before they act or after they have."""
        self._faults.append(Fault(on, times, before, error or EngineUnavailable(f"{on}: no answer"), spared))

    def advance(self, seconds: float) -> None:
        """Lets time pass: scripted exits and health changes happen."""
        with self._changed:
            self.now += seconds
            for container in list(self._containers.values()):
                exits = container.image.exits
                if container.status == "running" and exits and self.now - (container.started or 0) >= exits[0]:
                    self._end(container, exits[1])

    def cut_off(self) -> list[str]:
        """The names of running containers in a namespace whose provider has been started anew, or is gone."""
        lives = {(found.id, found.started) for found in self._containers.values() if found.status == "running"}
        running = [found for found in self._containers.values() if found.status == "running"]
        return sorted(found.name for found in running if not lives.issuperset(found.joined.values()))

    # The port.

    def api_version(self) -> str:
        with self._call("api_version", ""):
            return "1.41"

    def info(self) -> Document:
        with self._call("info", ""):
            return {"Name": "fake", "DefaultRuntime": "runc", "Architecture": "x86_64", "OSType": "linux"}

    def containers(self, all: bool = False) -> Sequence[Document]:
        with self._call("containers", ""):
            shown = [found for found in self._containers.values() if all or found.status in ("running", "paused")]
            return [list_summary(container) for container in reversed(shown)]

    def inspect(self, container: str) -> Document:
        with self._call("inspect", container):
            return inspect_document(self._find(container), self.now)

    def service_labels(self, service: str) -> Mapping[str, str]:
        with self._call("service_labels", service):
            return self.services.get(service, {})

    def image(self, reference: str) -> Document:
        with self._call("image", reference):
            image = self._find_image(reference)
            return {
                "Id": image.id,
                "RepoTags": sorted(image.references),
                "RepoDigests": sorted(image.digests),
                "Config": copy.deepcopy(image.config),
                "Architecture": image.architecture,
                "Os": "linux",
            }

    def images(self) -> Sequence[Document]:
        with self._call("images", ""):
            return [
                {"Id": image.id, "RepoTags": sorted(image.references), "RepoDigests": sorted(image.digests)}
                for image in self._images.values()
            ]

    def pull(
        self,
        reference: str,
        *,
        auth: RegistryAuth | None = None,
        platform: str | None = None,
        progress: Callable[[PullProgress], None] | None = None,
    ) -> None:
        with self._call("pull", reference):
            wanted = tagged(reference)
            if "@" in wanted:
                name, _, digest = wanted.partition("@")
                head, colon, tail = name.rpartition(":")
                wanted = f"{head if colon and '/' not in tail else name}@{digest}"
            if wanted not in self._offers:
                raise PullFailed(f"manifest for {reference} not found")
            if progress:
                progress(PullProgress("", f"Pulling from {reference}"))
            self._store(self._offers[wanted], None if "@" in wanted else wanted)

    def tag(self, image: str, reference: str) -> None:
        with self._call("tag", image):
            self._store(self._find_image(image), reference)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        with self._call("remove_image", image):
            found = self._find_image(image)
            if image != found.id and len(found.references) > 1:
                found.references.discard(tagged(image))
                return
            users = [container for container in self._containers.values() if container.image is found]
            running = any(container.status == "running" for container in users)
            if running or (not force and (users or len(found.references) > 1)):
                raise EngineConflict(f"unable to remove {image}: it is in use")
            del self._images[found.id]

    def create(self, name: str, body: Document, *, platform: str | None = None) -> str:
        with self._call("create", name):
            image = self._find_image(body["Image"])
            self._free_name(name)
            wanted = copy.deepcopy(dict(body))
            host_config = {"NetworkMode": "default"} | wanted.pop("HostConfig", {})
            endpoints = wanted.pop("NetworkingConfig", {}).get("EndpointsConfig", {})
            mode = host_config["NetworkMode"]
            networks: dict[str, dict[str, Any]] = {}
            if mode not in ("host", "none") and not mode.startswith("container:"):
                networks["bridge" if mode == "default" else mode] = {}
            identity = self._identity("container")
            config = {"Hostname": identity[:12], **merged_config(wanted, image.config)}
            made = FakeContainer(identity, name, image, config, host_config, networks | endpoints, self.now)
            self._containers[identity] = made
            self._tell(made, "create")
            return identity

    def rename(self, container: str, name: str) -> None:
        with self._call("rename", container):
            found = self._find(container)
            self._free_name(name)
            before, found.name = found.name, name
            self._tell(found, "rename", {"oldName": f"/{before}"})

    def set_restart(self, container: str, policy: Document) -> None:
        with self._call("set_restart", container):
            self._find(container).host_config["RestartPolicy"] = dict(policy)

    def start(self, container: str) -> None:
        with self._call("start", container):
            found = self._find(container)
            if found.status != "running":
                # A network is looked for when it is needed, which is now.
                for network in found.networks:
                    self._known_network(network)
                self._run(found)
                # A command that ends at once has ended before anybody looks.
                self.advance(0)

    def stop(self, container: str, timeout: int | None = None) -> None:
        with self._call("stop", container):
            found = self._find(container)
            if found.status == "running":
                self._end(found, 137, "stop")

    def restart(self, container: str, timeout: int | None = None) -> None:
        with self._call("restart", container):
            found = self._find(container)
            if found.status == "running":
                self._stand_still(found, 137, "stop")
            self._run(found)

    def kill(self, container: str) -> None:
        with self._call("kill", container):
            found = self._find(container)
            if found.status != "running":
                raise EngineConflict(f"container {container} is not running")
            self._end(found, 137)

    def remove(self, container: str, *, force: bool = False) -> None:
        with self._call("remove", container), suppress(EngineNotFound):
            found = self._find(container)
            if found.status == "running" and not force:
                raise EngineConflict(f"you cannot remove a running container {found.id}")
            if found.status == "running":
                self._end(found, 137)
            if found.id in self._containers:
                self._vanish(found)

    def wait_removed(self, container: str, timeout: float) -> bool:
        with self._call("wait_removed", container):
            try:
                self._find(container)
            except EngineNotFound:
                return True
            self.advance(timeout)
            return False

    def connect(self, network: str, container: str, endpoint: Document) -> None:
        with self._call("connect", container):
            found = self._find(container)
            if found.status == "running":
                self._known_network(network)
            found.networks[network] = copy.deepcopy(dict(endpoint))

    def disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        with self._call("disconnect", container):
            self._known_network(network)
            self._find(container).networks.pop(network, None)

    def execute(self, container: str, execution: Execution, seconds: float) -> Executed:
        with self._call("execute", container):
            found = self._find(container)
            if found.status != "running":
                raise EngineConflict(f"container {found.id} is not running")
            self.executed.append(execution)
            took, code, output = answer_of(execution, self.answers)
            self.advance(min(took, seconds))
            if took > seconds:
                raise ExecutionLate(f"{execution.command[0]} did not end within {seconds:g} seconds")
            return Executed(code, output)

    def events(self, since: float | None = None) -> FakeEventStream:
        with self._call("events", ""):
            position = len(self._events)
            if since is not None:
                position = next((at for at, event in enumerate(self._events) if event.at >= since), position)
            return FakeEventStream(self._events, self._changed, position)

    def logs(self, container: str, query: LogQuery) -> FakeLogStream:
        with self._call("logs", container):
            written = [line for line in self._find(container).output if query.wants(line.stream)]
            return FakeLogStream(written[len(written) - query.tail :] if query.tail < len(written) else written)

    def stats(self, container: str, *, at_once: bool = False) -> Reading | None:
        with self._call("stats", container):
            found = self._find(container)
            if found.status != "running":
                return None
            spent = int((self.now - (found.started or self.now)) * 5e8)
            at = datetime.fromtimestamp(self.now, UTC)
            earlier = None if at_once else CpuTimes(max(0, spent - 500_000_000), int(self.now * 1e9) - 1_000_000_000, 1)
            return Reading(at, CpuTimes(spent, int(self.now * 1e9), 1), 1 << 20, 1 << 30, 0, 0, 0, 0, earlier)

    # How it does that.

    @contextmanager
    def _call(self, method: str, argument: str) -> Iterator[None]:
        with self._changed:
            self.calls.append((method, argument))
            fault = next((fault for fault in self._faults if fault.on == method and fault.times), None)
            if fault and fault.spared:
                fault.spared -= 1
                fault = None
            if fault:
                fault.times -= 1
            if fault and fault.before:
                raise fault.error
            yield
            if fault:
                raise fault.error

    def _identity(self, kind: str) -> str:
        self._made += 1
        return hashlib.sha256(f"{kind} {self._made}".encode()).hexdigest()

    def _image(self, config: Mapping[str, Any] | None, script: Mapping[str, Any]) -> FakeImage:
        return FakeImage(f"sha256:{self._identity('image')}", copy.deepcopy(dict(config or {})), **script)

    def _store(self, image: FakeImage, reference: str | None) -> None:
        self._images[image.id] = image
        if reference:
            for other in self._images.values():
                other.references.discard(tagged(reference))
            image.references.add(tagged(reference))

    def _find_image(self, reference: str) -> FakeImage:
        for image in self._images.values():
            if reference == image.id or tagged(reference) in image.references or reference in image.digests:
                return image
        raise EngineNotFound(f"no such image: {reference}")

    def _find(self, container: str) -> FakeContainer:
        wanted = container.lstrip("/")
        for found in self._containers.values():
            if wanted in (found.id, found.name) or (len(wanted) >= 12 and found.id.startswith(wanted)):
                return found
        raise EngineNotFound(f"no such container: {container}")

    def _known_network(self, network: str) -> None:
        if network not in self.networks:
            raise EngineNotFound(f"network {network} not found")

    def _free_name(self, name: str) -> None:
        if any(found.name == name for found in self._containers.values()):
            raise EngineConflict(f'the container name "/{name}" is already in use')

    def _run(self, container: FakeContainer) -> None:
        container.joined = {kind: self._life(one) for kind, one in providers(container).items()}
        container.status, container.started, container.exit_code = "running", self.now, 0
        self._tell(container, "start")

    def _life(self, provider: str) -> tuple[str, float | None]:
        found = self._find(provider)
        if found.status != "running":
            raise EngineConflict(f"cannot join a namespace of a container that does not run: {found.id}")
        return found.id, found.started

    def _stand_still(self, container: FakeContainer, code: int, *then: str) -> None:
        container.status, container.exit_code, container.finished = "exited", code, self.now
        for action in ("die", *then):
            self._tell(container, action, {"exitCode": str(code)} if action == "die" else {})
        # With the first process of a namespace every other one in it ends.
        for other in list(self._containers.values()):
            if other.status == "running" and other.joined.get("PidMode", ("",))[0] == container.id:
                self._end(other, 137)

    def _end(self, container: FakeContainer, code: int, *then: str) -> None:
        self._stand_still(container, code, *then)
        if container.host_config.get("AutoRemove"):
            self._vanish(container)

    def _vanish(self, container: FakeContainer) -> None:
        del self._containers[container.id]
        self._tell(container, "destroy")

    def _tell(self, container: FakeContainer, action: str, more: Mapping[str, str] | None = None) -> None:
        # No two events of an engine carry the same time.
        self.now += 1e-6
        attributes = {"name": container.name, "image": container.config["Image"], **(more or {})}
        self._events.append(Event(action, container.id, container.name, attributes, self.now))
        self._changed.notify_all()
