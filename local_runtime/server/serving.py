"""Serving: uvicorn set up for one process behind a supervisor, from the first account to the last answer."""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.host_name import is_loopback
from handlers.auth import first_account
from local_runtime.server.application import build_app
from local_runtime.server.http_socket import HttpSocket, Seldom
from local_runtime.server.log_socket import LogSocket
from local_runtime.server.places import Places

if TYPE_CHECKING:
    import socket

    from chalicelib.ports.services import Services
    from handlers.paths import Paths
    from local_runtime.server.door import HttpDoor

STORE_PATIENCE = 30.0
GRACE_SECONDS = 1
LOG = logging.getLogger("slipway.server")


def serve(services: Services, host: str, port: int, paths: Paths | None = None) -> None:
    """Serve until SIGINT or SIGTERM, and for at most a second more for answers under way.

    Writes `admin-password <password>` when it had to make the first account, then `ready http://HOST:PORT`.
    """
    password = _first_account(services)
    if password is not None:
        _tell(f"admin-password {password}")
    loopback = is_loopback(host)
    if services.settings.anonymous and not loopback:
        LOG.warning("Everybody who can reach %s may do everything here, as DD_ANONYMOUS_AUTH_CONFIRM says.", host)
    app = build_app(services, paths, loopback=loopback)
    places = Places(services.settings.most_connections, shared=services.settings.trust_proxy)
    logging.getLogger("uvicorn.error").addFilter(Seldom())
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=partial(HttpSocket, places=places),  # type: ignore[arg-type]
        ws=LogSocket,
        ws_per_message_deflate=False,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    _Announced(config, app.state.door).run()


class _Announced(uvicorn.Server):
    """A server that says where it serves as soon as it does, and that a signal ends in good order."""

    def __init__(self, config: uvicorn.Config, door: HttpDoor) -> None:
        super().__init__(config)
        self._door = door

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn would raise the signal again once it has stopped, and the process would seem to have been killed.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.handle_exit)
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.end_streams()
        await super().shutdown(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            _tell(f"ready http://{f'[{host}]' if ':' in host else host}:{port}")


def _first_account(services: Services) -> str | None:
    """The new admin's password, if one had to be made; waits for a store that is still starting."""
    deadline = time.monotonic() + STORE_PATIENCE
    while True:
        try:
            return first_account(services)
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
