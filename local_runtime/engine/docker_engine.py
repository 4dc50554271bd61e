"""Owns the talk with a Docker daemon: the Engine port over the SDK's low-level client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from urllib.parse import quote

from docker.auth import encode_header
from docker.errors import APIError
from docker.types import CancellableStream
from docker.utils import convert_filters, parse_repository_tag

from chalicelib.domain.client_credentials import ClientCredentials
from chalicelib.domain.environment import without_secrets
from chalicelib.domain.log import LogQuery
from chalicelib.domain.post_start import Execution
from chalicelib.domain.stats import Reading
from chalicelib.ports.engine import (
    CONTAINER_ACTIONS,
    Document,
    EngineConflict,
    EngineError,
    EngineNotFound,
    EngineUnavailable,
    EventStream,
    Executed,
    LogStream,
    PullFailed,
    PullProgress,
    RegistryAuth,
)
from local_runtime.engine.client import Authorization, Client, Tls, connect, translated
from local_runtime.engine.event_stream import DockerEventStream
from local_runtime.engine.execution import execute
from local_runtime.engine.frames import Frames, Terminal
from local_runtime.engine.lines import LineTooLong, json_lines
from local_runtime.engine.log_stream import DockerLogStream, EmptyLogStream, asked_of
from local_runtime.engine.samples import reading
from local_runtime.engine.token import Token
from local_runtime.engine.tunnel import Ssh, Tunnel

__all__ = ["DockerEngine", "Ssh", "Tls"]

CALL_SECONDS = 60.0
PULL_IDLE_SECONDS = 300.0
EVENTS_IDLE_SECONDS = 600.0
LOGS_IDLE_SECONDS = 86_400.0
ONE_SHOT_STATS = (1, 41)
"""Since this version the engine can be asked for one reading of its meters."""
REMOVAL_SECONDS = 60.0
DEFAULT_STOP_SECONDS = 10
LONGEST_STOP_SECONDS = 3600


class DockerEngine:
    """The Engine port on a daemon at `base_url`: unix:///path, tcp://host:port, https with `tls`, or ssh://user@host.

    Nothing is sent before the first call, which agrees on the API version; after a lost connection it is agreed anew,
    since another daemon may have come up. `call_seconds` bounds every ordinary call; `authorization` is what a proxy
    in front of the daemon asks for: a header as it is, or what gets a token that is renewed.
    """

    def __init__(
        self,
        base_url: str,
        *,
        tls: Tls | None = None,
        call_seconds: float = CALL_SECONDS,
        events_idle_seconds: float = EVENTS_IDLE_SECONDS,
        authorization: str | ClientCredentials | None = None,
        ssh: Ssh = Ssh(),  # noqa: B008
    ) -> None:
        self._base_url = base_url
        self._tunnel = Tunnel(base_url, ssh) if base_url.startswith("ssh://") else None
        self._tls = tls
        self._authorization: Authorization = (
            Token(authorization) if isinstance(authorization, ClientCredentials) else authorization
        )
        self._call_seconds = call_seconds
        self._events_idle_seconds = events_idle_seconds
        self._client: Client | None = None
        self._connecting = threading.Lock()

    def api_version(self) -> str:
        with self._conversation() as client:
            return str(client.api_version)

    def info(self) -> Document:
        with self._conversation() as client:
            return client.info()

    def containers(self, all: bool = False) -> Sequence[Document]:
        with self._conversation() as client:
            return client.containers(all=all)

    def inspect(self, container: str) -> Document:
        with self._conversation() as client:
            return client.inspect_container(container)

    def service_labels(self, service: str) -> Mapping[str, str]:
        with self._conversation() as client:
            try:
                spec = client.inspect_service(service)["Spec"]
            except APIError:
                # Only managers of a swarm know its services, and they may be gone before their containers are.
                return {}
            return {str(name): str(value) for name, value in (spec.get("Labels") or {}).items()}

    def image(self, reference: str) -> Document:
        with self._conversation() as client:
            return client.inspect_image(reference)

    def images(self) -> Sequence[Document]:
        with self._conversation() as client:
            return client.images()

    def pull(
        self,
        reference: str,
        *,
        auth: RegistryAuth | None = None,
        platform: str | None = None,
        progress: Callable[[PullProgress], None] | None = None,
    ) -> None:
        repository, tag = parse_repository_tag(reference)
        # A request without a tag would pull every tag of the repository.
        query = {"fromImage": repository, "tag": tag or "latest"} | ({"platform": platform} if platform else {})
        try:
            with self._conversation() as client:
                answer = client.post_stream("/images/create", query, _auth_header(auth), PULL_IDLE_SECONDS)
                _follow_pull(client.chunks(answer), progress)
        except LineTooLong as error:
            raise PullFailed(f"pulling {reference}: {error}") from error
        except EngineUnavailable:
            raise
        except EngineError as error:
            raise PullFailed(str(error)) from error

    def tag(self, image: str, reference: str) -> None:
        repository, tag = parse_repository_tag(reference)
        with self._conversation() as client:
            client.tag(image, repository, tag or "latest", force=True)

    def remove_image(self, image: str, *, force: bool = False) -> None:
        with self._conversation() as client:
            client.remove_image(image, force=force)

    def create(self, name: str, body: Document, *, platform: str | None = None) -> str:
        with self._conversation() as client:
            return str(client.create_container_from_config(dict(body), name, platform)["Id"])

    def rename(self, container: str, name: str) -> None:
        with self._conversation() as client:
            client.rename(container, name)

    def set_restart(self, container: str, policy: Document) -> None:
        with self._conversation() as client:
            client.post_json("/containers/{0}/update", container, {"RestartPolicy": dict(policy)})

    def start(self, container: str) -> None:
        with self._conversation() as client:
            client.start(container)

    def stop(self, container: str, timeout: int | None = None) -> None:
        self._end(container, "stop", timeout)

    def restart(self, container: str, timeout: int | None = None) -> None:
        self._end(container, "restart", timeout)

    def kill(self, container: str) -> None:
        with self._conversation() as client:
            client.kill(container)

    def remove(self, container: str, *, force: bool = False) -> None:
        try:
            with self._conversation() as client:
                client.remove_container(container, v=False, force=force)
        except EngineNotFound:
            return
        except EngineConflict as error:
            # A --rm container removes itself while we ask; that is the same end by another hand.
            if "already in progress" not in str(error) or not self.wait_removed(container, REMOVAL_SECONDS):
                raise

    def wait_removed(self, container: str, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.inspect(container)
            except EngineNotFound:
                return True
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.1)

    def connect(self, network: str, container: str, endpoint: Document) -> None:
        with self._conversation() as client:
            client.post_json(
                "/networks/{0}/connect", network, {"Container": container, "EndpointConfig": dict(endpoint)}
            )

    def disconnect(self, network: str, container: str, *, force: bool = False) -> None:
        with self._conversation() as client:
            client.disconnect_container_from_network(container, network, force)

    def execute(self, container: str, execution: Execution, seconds: float) -> Executed:
        with self._conversation() as client:
            return execute(client, container, execution, seconds)

    def events(self, since: float | None = None) -> EventStream:
        # A client of its own: the stream keeps its connection, and closing it must not touch anybody else's.
        with translated():
            client = self._connect()
            filters = convert_filters({"type": ["container"], "event": list(CONTAINER_ACTIONS)})
            query = {"filters": filters} | ({"since": f"{since - 1e-6:.9f}"} if since is not None else {})
            answer = client.get_stream("/events", query, self._events_idle_seconds)
            return DockerEventStream(CancellableStream(client.chunks(answer), answer), client.close)

    def logs(self, container: str, query: LogQuery) -> LogStream:
        if query.nothing:
            return EmptyLogStream(())
        terminal = bool(self.inspect(container)["Config"].get("Tty"))
        # A client of its own, as for events: closing the stream must not touch anybody else's connection.
        with translated():
            client = self._connect()
            idle = LOGS_IDLE_SECONDS if query.follow else self._call_seconds
            try:
                answer = client.get_stream(f"/containers/{quote(container, safe='')}/logs", asked_of(query), idle)
            except BaseException:
                client.close()
                raise
            return DockerLogStream(answer, Terminal() if terminal else Frames(), client.close)

    def stats(self, container: str, *, at_once: bool = False) -> Reading | None:
        with self._conversation() as client:
            version = tuple(int(part) for part in str(client.api_version).split("."))
            one_shot = {"one-shot": 1} if at_once and version >= ONE_SHOT_STATS else {}
            path = f"/containers/{quote(container, safe='')}/stats"
            answer = client.get_stream(path, {"stream": 0, **one_shot}, self._call_seconds)
            return reading(answer.json())

    def close(self) -> None:
        """Drops the connections."""
        with self._connecting:
            client, self._client = self._client, None
        if client:
            client.close()
        if self._tunnel:
            self._tunnel.close()

    def _end(self, container: str, verb: str, timeout: int | None) -> None:
        grace = timeout if timeout is not None else self._stop_seconds(container)
        # A negative grace waits for ever, and nobody waits for ever here.
        wait = self._call_seconds + (grace if grace >= 0 else LONGEST_STOP_SECONDS)
        with self._conversation() as client:
            client.post_within(wait, f"/containers/{{0}}/{verb}", container, {} if timeout is None else {"t": timeout})

    def _stop_seconds(self, container: str) -> int:
        configured = self.inspect(container)["Config"].get("StopTimeout")
        return DEFAULT_STOP_SECONDS if configured is None else int(configured)

    def _connect(self) -> Client:
        url = self._tunnel.open() if self._tunnel else self._base_url
        return connect(url, self._tls, self._call_seconds, self._authorization)

    @contextmanager
    def _conversation(self) -> Iterator[Client]:
        try:
            with translated():
                with self._connecting:
                    client = self._client = self._client or self._connect()
                yield client
        except EngineUnavailable as error:
            with self._connecting:
                self._client = None
            if self._tunnel and (complaint := self._tunnel.complaint()):
                raise EngineUnavailable(f"{error} (ssh says: {complaint})") from error
            raise


def _auth_header(auth: RegistryAuth | None) -> dict[str, str]:
    if auth is None:
        return {}
    fields = {
        "username": auth.username,
        "password": auth.password,
        "identitytoken": auth.identity_token,
        "serveraddress": auth.server,
    }
    encoded = encode_header({key: value for key, value in fields.items() if value})
    return {"X-Registry-Auth": encoded.decode() if isinstance(encoded, bytes) else encoded}


def _follow_pull(chunks: Iterator[bytes], progress: Callable[[PullProgress], None] | None) -> None:
    for line in json_lines(chunks):
        # The status line was 200 long ago: a failure now comes as one more line.
        if "error" in line or "errorDetail" in line:
            said = line.get("error") or (line["errorDetail"] or {}).get("message") or "the pull failed"
            raise PullFailed(without_secrets(str(said)))
        if progress:
            detail = line.get("progressDetail") or {}
            progress(
                PullProgress(line.get("id", ""), line.get("status", ""), detail.get("current"), detail.get("total"))
            )
