"""Owns the connection to a Docker daemon: the SDK's client with what it lacks, and its errors in the port's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests
import urllib3
from docker import errors
from docker.api.client import APIClient
from docker.tls import TLSConfig
from docker.utils import version_lt

from chalicelib.domain.environment import without_secrets
from chalicelib.ports.engine import EngineConflict, EngineError, EngineNotFound, EngineRejected, EngineUnavailable
from local_runtime.engine.token import Token

Authorization = str | Token | None
"""What a proxy in front of a daemon is shown: a header as it is, or a token that is renewed."""
POOL_SIZE = 32
NEWEST_VERSION = "1.51"
"""The newest version of the engine's API that is spoken, as newer ones may leave out what is read here."""
_GATEWAY_TROUBLE = (502, 503, 504)


@dataclass(frozen=True, slots=True)
class Tls:
    """Files to reach an engine over TLS: its authority, and our certificate with its key."""

    ca: str | None = None
    certificate: str | None = None
    key: str | None = None
    verify: bool = True


class Client(APIClient):
    """The SDK's client with the calls it lacks: bodies as they are, and a time limit where it has none."""

    def __init__(self, authorization: Authorization, **options: Any) -> None:
        self._authorization = authorization
        super().__init__(**options)

    def _retrieve_server_version(self) -> str:
        # The first request of all. Proxies and certificate bundles in the environment are meant for the internet,
        # and would outweigh the authority this engine was configured with.
        self.trust_env = False
        if isinstance(self._authorization, Token):
            self.auth = self._authorization
        elif self._authorization is not None:
            self.headers["Authorization"] = self._authorization
        offered = str(super()._retrieve_server_version())
        if version_lt(offered, NEWEST_VERSION):
            return offered
        oldest = str(self.version(api_version=False).get("MinAPIVersion") or NEWEST_VERSION)
        return oldest if version_lt(NEWEST_VERSION, oldest) else NEWEST_VERSION

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer = super().send(request, **options)
        if answer.status_code != 401 or not isinstance(self._authorization, Token):
            return answer
        # What was turned away has not been done. Its token may have been revoked, and a new one may be good.
        answer.close()
        self._authorization.refused()
        return super().send(self._authorization(request), **options)

    def post_json(
        self, path: str, resource: str, body: Mapping[str, Any], *, idle_seconds: float | None = None
    ) -> requests.Response:
        """With `idle_seconds` the answer is a stream, to be closed, whose parts come no further apart than that."""
        waits = {} if idle_seconds is None else {"stream": True, "timeout": (self.timeout, idle_seconds)}
        answer: requests.Response = self._post_json(self._url(path, resource), data=body, **waits)
        self._raise_for_status(answer)
        return answer

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


def connect(base_url: str, tls: Tls | None, call_seconds: float, authorization: Authorization = None) -> Client:
    """A client that has agreed on the API version with the daemon; `call_seconds` bounds each of its calls."""
    config: TLSConfig | bool = False
    if tls:
        pair = (tls.certificate, tls.key) if tls.certificate and tls.key else None
        config = TLSConfig(client_cert=pair, ca_cert=tls.ca, verify=tls.verify)
    return Client(
        authorization, base_url=base_url, version="auto", timeout=call_seconds, tls=config, max_pool_size=POOL_SIZE
    )


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the SDK, the connection and the daemon leave the block as errors of the port."""
    try:
        yield
    except errors.APIError as error:
        raise _refusal(error) from error
    except (errors.DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise EngineUnavailable(without_secrets(f"the Docker engine does not answer: {error}")) from error


def _refusal(error: errors.APIError) -> EngineError:
    status = error.status_code or 500
    # A registry behind a proxy, or a variable the daemon does not like, is quoted with its password.
    message = without_secrets(str(error.explanation or error))
    if status == 404:
        return EngineNotFound(message)
    if status == 409:
        return EngineConflict(message)
    if status in _GATEWAY_TROUBLE:
        return EngineUnavailable(message)
    return EngineRejected(status, message)
