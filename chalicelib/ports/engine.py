"""The Docker engine as the executor sees it: inspect documents out, orders in, and errors that say what they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from chalicelib.domain.errors import SlipwayError
from chalicelib.domain.log import LogLine, LogQuery
from chalicelib.domain.post_start import Execution
from chalicelib.domain.stats import Reading

Document = Mapping[str, Any]
"""A JSON document of the engine's API, as it came."""

CONTAINER_ACTIONS = (
    "create",
    "destroy",
    "start",
    "stop",
    "pause",
    "unpause",
    "die",
    "update",
    "rename",
    "health_status",
)
"""The actions `Engine.events` reports."""

EXECUTED_OUTPUT = 10_000


class EngineError(SlipwayError):
    """The engine did not do what it was asked; `transient` says whether waiting may help."""

    transient = False


class EngineUnavailable(EngineError):
    """No answer: refused, closed, or out of time. The order may still have been carried out: look before repeating."""

    transient = True


class EngineNotFound(EngineError):
    """There is no such container, image or network."""


class EngineConflict(EngineError):
    """The state of things forbids it: a name in use, an image in use, a container that is not running."""


class EngineRejected(EngineError):
    """Any other refusal: `status` is the HTTP status, `message` the engine's own words."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ExecutionLate(EngineError):
    """A command inside a container did not end in time."""


class PullFailed(EngineError):
    """The image could not be pulled; `message` is what the engine or the registry said."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """Credentials the engine presents to a registry when it pulls: a password, or an identity token instead of it."""

    username: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)
    server: str = ""


@dataclass(frozen=True, slots=True)
class PullProgress:
    """One line of a pull. `layer` is empty for lines about the whole image; `current` and `total` are bytes."""

    layer: str
    status: str
    current: int | None = None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """How it ended: its exit code, and the beginning of what it wrote, at most EXECUTED_OUTPUT bytes."""

    code: int
    output: bytes


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a container at `at`, in seconds since 1970.

    `action` is one of CONTAINER_ACTIONS, `name` has no leading slash, `health` is set with `health_status` only.
    """

    action: str
    container_id: str
    name: str
    attributes: Mapping[str, str]
    at: float
    health: str | None = None


class EventStream(Iterator[Event], Protocol):
    """Events as they come. Iteration ends after `close`, and when nothing has come for long: then ask again.

    When the engine goes away it raises EngineUnavailable.
    """

    def close(self) -> None:
        """Ends the stream; may be called from another thread and more than once."""
        ...


class LogStream(Iterator[Sequence[LogLine]], Protocol):
    """Lines as they come, several at a time. Iteration ends after `close`, and with the log.

    When the engine goes away it raises EngineUnavailable.
    """

    def close(self) -> None:
        """Ends the stream; may be called from another thread and more than once."""
        ...


class Engine(Protocol):
    """One Docker engine. `container` is an id or a name; every call is bounded in time and may be made by any thread.

    Every method raises EngineUnavailable, EngineNotFound, EngineConflict or EngineRejected unless it says otherwise.
    """

    def api_version(self) -> str:
        """The API version agreed with the engine, such as "1.41"."""
        ...

    def info(self) -> Document:
        """What `docker info` knows: among others `Name`, `DefaultRuntime`, `Architecture`, `OSType`."""
        ...

    def containers(self, all: bool = False) -> Sequence[Document]:
        """List summaries of the running containers, or of `all` of them."""
        ...

    def inspect(self, container: str) -> Document:
        """The inspect document of a container."""
        ...

    def service_labels(self, service: str) -> Mapping[str, str]:
        """The labels of a swarm service; none when this engine does not manage the swarm, or does not know it."""
        ...

    def image(self, reference: str) -> Document:
        """The inspect document of a local image, by reference or id."""
        ...

    def images(self) -> Sequence[Document]:
        """List summaries of the local images: `Id`, `RepoTags` and `RepoDigests` among others."""
        ...

    def pull(
        self,
        reference: str,
        *,
        auth: RegistryAuth | None = None,
        platform: str | None = None,
        progress: Callable[[PullProgress], None] | None = None,
    ) -> None:
        """Pulls one image; without a tag or digest the tag is `latest`. Raises PullFailed, also for a late failure."""
        ...

    def tag(self, image: str, reference: str) -> None:
        """Gives a local image one more name."""
        ...

    def remove_image(self, image: str, *, force: bool = False) -> None:
        """Removes an image or untags a reference; EngineConflict when something still uses it."""
        ...

    def create(self, name: str, body: Document, *, platform: str | None = None) -> str:
        """Creates a container and gives its id; EngineConflict when the name is taken, EngineNotFound without image."""
        ...

    def rename(self, container: str, name: str) -> None:
        """Gives a container another name; EngineConflict when that is taken."""
        ...

    def set_restart(self, container: str, policy: Document) -> None:
        """Gives a container another restart policy: `{"Name": "on-failure", "MaximumRetryCount": 3}`, say."""
        ...

    def start(self, container: str) -> None:
        """Starts a container; a running one is left alone."""
        ...

    def stop(self, container: str, timeout: int | None = None) -> None:
        """Stops a container with its own stop signal; a stopped one is left alone.

        `timeout` is the grace in seconds before it is killed; None takes the container's own.
        """
        ...

    def restart(self, container: str, timeout: int | None = None) -> None:
        """Stops and starts a container; a stopped one is started."""
        ...

    def kill(self, container: str) -> None:
        """Kills a running container; EngineConflict when it does not run."""
        ...

    def remove(self, container: str, *, force: bool = False) -> None:
        """Removes a container, never its volumes, and returns when it is gone; an absent one is no error.

        A running container is an EngineConflict unless `force` kills it first.
        """
        ...

    def wait_removed(self, container: str, timeout: float) -> bool:
        """Whether the container vanished within `timeout` seconds."""
        ...

    def connect(self, network: str, container: str, endpoint: Document) -> None:
        """Attaches a container to a network with these endpoint settings."""
        ...

    def disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        """Detaches a container from a network."""
        ...

    def execute(self, container: str, execution: Execution, seconds: float) -> Executed:
        """Runs a command in a running container and waits for its end.

        Raises EngineConflict when the container does not run, and ExecutionLate when it has not ended after `seconds`;
        it then goes on, for no engine can stop it.
        """
        ...

    def events(self, since: float | None = None) -> EventStream:
        """Container events from now on, or from `since` (seconds since 1970) at least once each."""
        ...

    def logs(self, container: str, query: LogQuery) -> LogStream:
        """The container's output, with or without a terminal. EngineRejected when its log driver keeps none."""
        ...

    def stats(self, container: str, *, at_once: bool = False) -> Reading | None:
        """What a running container uses now; None when it does not run. Takes up to two seconds.

        `at_once` does without the reading of a second earlier, and so takes less, where the engine can.
        """
        ...
