"""`python -m local_runtime.executor`: watch this machine's engines and carry out commands until told to stop.

Standard output is for the supervisor: `ready agent NAME` once it takes commands. The log is on standard error.
`--health` says by its exit code whether the executor with the same data directory works; `--operation` is for deputies.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from typing import NoReturn

from chalicelib.config import BadSetting, load
from chalicelib.domain.errors import SlipwayError
from local_runtime.executor.first import stand_in_front
from local_runtime.executor.pulse import Pulse
from local_runtime.executor.seat import SeatTaken


def main() -> int:
    """Work until SIGINT or SIGTERM; 0 when stopped in good order."""
    asked = _asked()
    try:
        if asked.health:
            return 0 if Pulse(load().data).felt() else 1
        stand_in_front()
        stopped = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stopped.set())
        # Loaded only now: a health check is done every few seconds, and the first process of a container stays small.
        if asked.operation:
            from local_runtime.executor.deputies.errand import run_errand

            return run_errand(load(), asked.operation, stopped, own=asked.own, socket=asked.socket)
        from local_runtime.executor.life import live

        return live(stopped)
    except (BadSetting, SeatTaken, SlipwayError) as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local_runtime.executor", description=__doc__)
    parser.add_argument("--health", action="store_true", help="say whether the executor works, and end")
    parser.add_argument("--operation", metavar="ID", help="carry out this operation in the executor's place, and end")
    parser.add_argument("--own", action="store_true", help="it is about the executor's own container")
    parser.add_argument("--socket", metavar="PATH", default="", help="where the engine is, if not where settings say")
    return parser.parse_args()


def _leave(code: int) -> NoReturn:
    """End now: threads that wait for an engine or a store would be waited for, longer than whoever stops us waits."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
