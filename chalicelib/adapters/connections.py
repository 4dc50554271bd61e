"""Viewers' connections through API Gateway's management API, which our own server speaks as well."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from chalicelib.domain.connection import Connection
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.log import LogLine
from chalicelib.domain.log_entry import LogEntry
from chalicelib.ports.connections import Gone
from chalicelib.wire import log as wire
from chalicelib.wire import log_ring

SECRET_HEADER = "X-Slipway-Secret"  # noqa: S105 - a name, no secret
NUMBER_HEADER = "X-Slipway-Number"

_MOST_BYTES = 120_000
"""API Gateway takes 128 kB at a time."""
_POST_SECONDS = 25
_POOL = 128
_RETRIES, _RETRIES_OVER_THERE = 2, 5
"""Of one call. API Gateway throttles an account's calls: waiting, longer each time, is what helps."""


class ManagementApi:
    """One botocore client per host of connections."""

    def __init__(self, region: str, access_key: tuple[str, str] | None) -> None:
        self._region = region
        self._access_key = access_key
        self._clients: dict[tuple[str, str], Any] = {}
        self._making = threading.Lock()
        self._number = threading.local()

    def encode(self, lines: Iterable[LogLine]) -> bytes:
        """Lines as frames, one a line."""
        return wire.frames(lines)

    def encode_entries(self, entries: Iterable[LogEntry]) -> bytes:
        """Entries of Slipway's own log as frames, one a line."""
        return log_ring.frames(entries)

    def post(self, connection: Connection, frames: bytes, number: int) -> None:
        """Send them in one call, or one by one where each call is a message."""
        self._number.value = number
        client = self._client(connection)
        for data in (frames,) if connection.many else _messages(frames):
            with _translated():
                client.post_to_connection(ConnectionId=connection.id, Data=data)

    def require(self, connection: Connection) -> None:
        """Ask for it."""
        with _translated():
            self._client(connection).get_connection(ConnectionId=connection.id)

    def close(self, connection: Connection, code: int, reason: str) -> None:
        """Say why, in a frame of its own, then cut it. API Gateway itself knows only one way to close."""
        self._number.value = 0
        client = self._client(connection)
        with _translated():
            if connection.many or code != wire.NORMAL_CLOSE:
                client.post_to_connection(ConnectionId=connection.id, Data=wire.farewell(code, reason))
            client.delete_connection(ConnectionId=connection.id)

    def _client(self, connection: Connection) -> Any:
        key = connection.url, connection.secret
        with self._making:
            if key not in self._clients:
                self._clients[key] = self._make(*key)
            return self._clients[key]

    def _make(self, url: str, secret: str) -> Any:
        import botocore.session
        from botocore import UNSIGNED
        from botocore.config import Config

        access_key, secret_key = self._access_key or (None, None)
        client = botocore.session.get_session().create_client(
            "apigatewaymanagementapi",
            endpoint_url=url,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            config=Config(
                region_name=self._region,
                # Our own server reads the secret; nobody would read a signature, and it takes a third of the time.
                signature_version=UNSIGNED if secret else None,
                max_pool_connections=_POOL,
                connect_timeout=3,
                read_timeout=_POST_SECONDS,
                retries={"mode": "standard", "max_attempts": _RETRIES if secret else _RETRIES_OVER_THERE},
                parameter_validation=False,
            ),
        )
        if secret:

            def show(params: dict[str, Any], **_: Any) -> None:
                params["headers"][SECRET_HEADER] = secret
                params["headers"][NUMBER_HEADER] = str(getattr(self._number, "value", 0))

            client.meta.events.register("before-call.apigatewaymanagementapi", show)
        return client


def _messages(frames: bytes) -> Iterator[bytes]:
    for frame in frames.splitlines():
        if len(frame) <= _MOST_BYTES:
            yield frame
        else:
            yield from wire.pieces(frame, _MOST_BYTES)


@contextmanager
def _translated() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status == 410:
            raise Gone("the viewer has left") from error
        raise Unavailable(f"the viewer's connection cannot be used: {error}") from error
    except BotoCoreError as error:
        raise Unavailable(f"the viewer's host does not answer: {error}") from error
