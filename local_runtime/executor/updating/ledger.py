"""How the facts of an operation get into the store, also when it is away for a while."""

from __future__ import annotations

from chalicelib.domain.errors import Unavailable
from chalicelib.domain.operation import Operation, Phase
from local_runtime.executor.host import Host

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


def record(host: Host, operation: Operation, phase: Phase, **facts: object) -> Operation:
    """Store one more fact. Raises Stale when the operation is in other hands, or the claim ran out while waiting."""
    return insist(host, operation.at(phase, host.clock.now(), **facts))


def insist(host: Host, fact: Operation) -> Operation:
    """Store this fact, asking again until the store answers or the claim runs out."""
    pause = _FIRST_PAUSE
    while True:
        try:
            return host.operations.record(fact)
        except Unavailable:
            host.claim.require()
            host.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def attempt(host: Host, fact: Operation) -> Operation:
    """Store this fact if the store answers; else it is given back as it is, to be insisted on when there is time.

    Quiet, as somebody waits for the service: readers of lists learn of it with the next fact.
    """
    try:
        return host.operations.record(fact, quiet=True)
    except Unavailable:
        return fact
