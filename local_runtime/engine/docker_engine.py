"""Owns the talk with a Docker daemon: the Engine port over the SDK's low-level client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from docker import errors
from docker.api.client import APIClient
from docker.auth import encode_header
from docker.tls import TLSConfig
from docker.types import CancellableStream
from docker.utils import convert_filters, parse_repository_tag

from chalicelib.ports.engine import (
    CONTAINER_ACTIONS,
    Document,
    EngineConflict,
    EngineError,
    EngineNotFound,
    EngineRejected,
    EngineUnavailable,
    EventStream,
    PullFailed,
    PullProgress,
    RegistryAuth,
)
from local_runtime.engine.event_stream import DockerEventStream
from local_runtime.engine.lines import LineTooLong, json_lines

CALL_SECONDS = 60.0
PULL_IDLE_SECONDS = 300.0
EVENTS_IDLE_SECONDS = 600.0
REMOVAL_SECONDS = 60.0
DEFAULT_STOP_SECONDS = 10
LONGEST_STOP_SECONDS = 3600
POOL_SIZE = 32
_GATEWAY_TROUBLE = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files to reach an engine over TLS: its authority, and our certificate with its key."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


class DockerEngine:
    """The Engine port on a daemon at `base_url`: unix:///path, tcp://host:port, or https with `tls`.

    Nothing is sent before the first call, which agrees on the API version; after a lost connection it is agreed anew,
    since another daemon may have come up. `call_seconds` bounds every ordinary call.
    """

    def __init__(self, base_url: str, *, tls: Tls | None = None, call_seconds: float = CALL_SECONDS) -> None:
        if base_url.startswith("ssh://"):
            raise ValueError(f"{base_url}: ssh is not supported; use a socket, tcp with TLS, or a forwarded socket")
        self._base_url = base_url
        self._tls = tls
        self._call_seconds = call_seconds
        self._client: APIClient | None = None
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

    def image(self, reference: str) -> Document:
        with self._conversation() as client:
            return client.inspect_image(reference)

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

    def events(self, since: float | None = None) -> EventStream:
        # A client of its own: the stream keeps its connection, and closing it must not touch anybody else's.
        with _translated():
            client = self._connect()
            filters = convert_filters({"type": ["container"], "event": list(CONTAINER_ACTIONS)})
            query = {"filters": filters} | ({"since": f"{since - 1e-6:.9f}"} if since is not None else {})
            answer = client.get_stream("/events", query, EVENTS_IDLE_SECONDS)
            return DockerEventStream(CancellableStream(client.chunks(answer), answer), client.close)

    def close(self) -> None:
        """Drops the connections."""
        with self._connecting:
            client, self._client = self._client, None
        if client:
            client.close()

    def _end(self, container: str, verb: str, timeout: int | None) -> None:
        grace = timeout if timeout is not None else self._stop_seconds(container)
        # A negative grace waits for ever, and nobody waits for ever here.
        wait = self._call_seconds + (grace if grace >= 0 else LONGEST_STOP_SECONDS)
        with self._conversation() as client:
            client.post_within(wait, f"/containers/{{0}}/{verb}", container, {} if timeout is None else {"t": timeout})

    def _stop_seconds(self, container: str) -> int:
        configured = self.inspect(container)["Config"].get("StopTimeout")
        return DEFAULT_STOP_SECONDS if configured is None else int(configured)

    def _connect(self) -> _Client:
        tls = self._tls
        config: TLSConfig | bool = False
        if tls:
            pair = (tls.certificate, tls.key) if tls.certificate and tls.key else None
            config = TLSConfig(client_cert=pair, ca_cert=tls.ca, verify=tls.verify)
        return _Client(
            base_url=self._base_url, version="auto", timeout=self._call_seconds, tls=config, max_pool_size=POOL_SIZE
        )

    @contextmanager
    def _conversation(self) -> Iterator[_Client]:
        try:
            with _translated():
                with self._connecting:
                    client = self._client = self._client or self._connect()
                yield client
        except EngineUnavailable:
            with self._connecting:
                self._client = None
            raise


class _Client(APIClient):
    """The SDK's client with the calls it lacks: bodies as they are, and a time limit where it has none."""

    def _retrieve_server_version(self) -> str:
        # The first request of all. Proxies and certificate bundles in the environment are meant for the internet,
        # and would outweigh the authority this engine was configured with.
        self.trust_env = False
        return str(super()._retrieve_server_version())

    def post_json(self, path: str, resource: str, body: Mapping[str, Any]) -> None:
        self._raise_for_status(self._post_json(self._url(path, resource), data=body))

    def post_within(self, seconds: float, path: str, resource: str, query: Mapping[str, Any]) -> None:
        self._raise_for_status(self._post(self._url(path, resource), params=query, timeout=seconds))

    def post_stream(
        self, path: str, query: Mapping[str, Any], headers: Mapping[str, str], idle_seconds: float
    ) -> requests.Response:
        timeout = (self.timeout, idle_seconds)
        answer = self._post(self._url(path), params=query, headers=headers, stream=True, timeout=timeout)
        self._raise_for_status(answer)
        return answer

    def get_stream(self, path: str, query: Mapping[str, Any], idle_seconds: float) -> requests.Response:
        answer = self._get(self._url(path), params=query, stream=True, timeout=(self.timeout, idle_seconds))
        self._raise_for_status(answer)
        return answer

    def chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """The body as it arrives; the connection is given up when the reader stops."""
        try:
            for chunk in self._stream_helper(answer):
                yield chunk if isinstance(chunk, bytes) else chunk.encode()
        finally:
            answer.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except errors.APIError as error:
        raise _refusal(error) from error
    except (errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineUnavailable(f"the Docker engine does not answer: {error}") from error


def _refusal(error: errors.APIError) -> EngineError:
    status = error.status_code or 500
    message = str(error.explanation or error)
    if status == 404:
        return EngineNotFound(message)
    if status == 409:
        return EngineConflict(message)
    if status in _GATEWAY_TROUBLE:
        return EngineUnavailable(message)
    return EngineRejected(status, message)


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
            raise PullFailed(line.get("error") or (line["errorDetail"] or {}).get("message") or "the pull failed")
        if progress:
            detail = line.get("progressDetail") or {}
            progress(
                PullProgress(line.get("id", ""), line.get("status", ""), detail.get("current"), detail.get("total"))
            )
