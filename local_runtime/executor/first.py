"""The first process of a container: passes signals on to its one child and buries whoever dies without a parent."""

from __future__ import annotations

import os
import signal
import sys

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def stand_in_front() -> None:
    """When this is process 1, go on in a child of it; the first process waits, and ends as the child ends.

    Call it before there are threads. The kernel ignores a signal to process 1 that it has no handler for, and gives it
    every orphan, which stays a zombie until it is waited for: what a scanner leaves behind, for one.
    """
    if os.getpid() != 1:
        return
    child = os.fork()
    if child == 0:
        return
    for number in _PASSED_ON:
        signal.signal(number, lambda received, _: os.kill(child, received))
    while True:
        gone, status = os.waitpid(-1, 0)
        if gone == child:
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)
