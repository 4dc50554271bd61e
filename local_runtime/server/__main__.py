"""`python -m local_runtime.server`: serve the API at DD_SERVER_HOST:DD_SERVER_PORT until told to stop.

Standard output is for the supervisor: `admin-password <password>` once on a fresh installation, then
`ready http://HOST:PORT`. Everything else goes to the log on standard error.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from typing import TYPE_CHECKING

import uvicorn
from chalicelib.bootstrap import services as real_services

from chalicelib.domain.errors import Unavailable
from chalicelib.wire.log_line import log_to
from handlers.auth import first_account
from local_runtime.server.application import build_app
from local_runtime.server.host_guard import is_loopback

if TYPE_CHECKING:
    import socket

    from chalicelib.ports.services import Services

STORE_PATIENCE = 30.0
GRACE_SECONDS = 2
LOG = logging.getLogger("slipway.server")


def main() -> int:
    """Serve until SIGINT or SIGTERM; 0 when stopped in good order."""
    services = real_services()
    log_to(sys.stderr, services.settings.log_level)
    password = _first_account(services)
    if password is not None:
        _tell(f"admin-password {password}")
    host, port = services.settings.host, services.settings.port
    app = build_app(services, loopback=is_loopback(host))
    _Announced(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            loop="uvloop",
            http="httptools",
            ws="websockets-sansio",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
    ).run()
    # A handler may still wait minutes for a host in its thread. Its command is in the store, so nothing is lost.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


class _Announced(uvicorn.Server):
    """A server that says where it serves as soon as it does."""

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


if __name__ == "__main__":
    sys.exit(main())
