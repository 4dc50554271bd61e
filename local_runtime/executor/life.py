"""One life of an executor: take the seat, work until told to stop, leave in good order."""

from __future__ import annotations

import logging
import sys
import threading
import time

from chalicelib.bootstrap import services as real_services
from chalicelib.domain.errors import Unavailable
from chalicelib.wire.log_line import log_to
from local_runtime.executor.executor import Executor
from local_runtime.executor.pulse import Pulse
from local_runtime.executor.seat import Seat

STORE_PATIENCE = 30.0
STOP_PATIENCE = 3.0
LOG = logging.getLogger("slipway.executor")


def live(stopped: threading.Event) -> int:
    """Work until `stopped`; 0 when that was in good order. Raises BadSetting, SeatTaken or Unavailable."""
    services = real_services()
    log_to(sys.stderr, services.settings.log_level)
    for problem in services.settings.problems:
        LOG.error("%s; this component is left out", problem)
    with Seat(services.settings.data) as seat:
        Pulse(services.settings.data).forget()
        executor = _started(Executor(services, seat.owner), stopped)
        sys.stdout.write(f"ready agent {services.settings.agent}\n")
        sys.stdout.flush()
        stopped.wait()
        executor.stop(STOP_PATIENCE)
    return 0


def _started(executor: Executor, stopped: threading.Event) -> Executor:
    """The executor at work; a store that is still starting is waited for."""
    deadline = time.monotonic() + STORE_PATIENCE
    while True:
        try:
            executor.start()
        except Unavailable:
            if time.monotonic() > deadline or stopped.wait(0.2):
                raise
        else:
            return executor
