"""`python -m local_runtime.executor`: watch this machine's engines and carry out commands until told to stop.

Standard output is for the supervisor: `ready agent NAME` once it takes commands. The log is on standard error.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time

from chalicelib.bootstrap import services as real_services
from chalicelib.config import BadSetting
from chalicelib.domain.errors import SlipwayError, Unavailable
from chalicelib.wire.log_line import log_to
from local_runtime.executor.executor import Executor
from local_runtime.executor.seat import Seat, SeatTaken

STORE_PATIENCE = 30.0
STOP_PATIENCE = 3.0
LOG = logging.getLogger("slipway.executor")


def main() -> int:
    """Work until SIGINT or SIGTERM; 0 when stopped in good order."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    try:
        services = real_services()
        log_to(sys.stderr, services.settings.log_level)
        for problem in services.settings.problems:
            LOG.error("%s; this component is left out", problem)
        with Seat(services.settings.data) as seat:
            executor = _started(Executor(services, seat.owner), stopped)
            sys.stdout.write(f"ready agent {services.settings.agent}\n")
            sys.stdout.flush()
            stopped.wait()
            executor.stop(STOP_PATIENCE)
    except (BadSetting, SeatTaken, SlipwayError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
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


if __name__ == "__main__":
    sys.exit(main())
