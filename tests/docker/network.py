"""Owns the network of a private engine: a bridge in a free 10.x range, and the removal of what dockerd adds to it."""

from __future__ import annotations

import fcntl
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.docker.packages import RigUnavailable, program

LOCK = Path("/tmp/slipway-rig.lock")
LOCK_SECONDS = 60
_OCTETS = range(100, 250)


@dataclass(frozen=True)
class EngineNetwork:
    """A bridge of our own: the default network lies in 10.x.0.0/24, those with static addresses beside it."""

    bridge: str
    octet: int

    @property
    def prefix(self) -> str:
        return f"10.{self.octet}."

    @property
    def test_subnet(self) -> str:
        """A range inside 10.x.0.0/16 beside the bridge: for networks with static addresses."""
        return f"{self.prefix}64.0/24"


@contextmanager
def one_rig_at_a_time() -> Iterator[None]:
    """Every dockerd rewrites the same iptables chains while it starts, so rigs start and clean one after the other."""
    with LOCK.open("w") as lock:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise RigUnavailable(f"another rig has held {LOCK} for {LOCK_SECONDS} s") from None
                time.sleep(0.05)
        yield


def add_network() -> EngineNetwork:
    """Makes the bridge; call it under `one_rig_at_a_time`."""
    routes = {line.split()[1] for line in Path("/proc/net/route").read_text().splitlines()[1:]}
    taken = {int(route[4:6], 16) for route in routes if route.endswith("0A")}
    octet = next((octet for octet in _OCTETS if octet not in taken), None)
    if octet is None:
        raise RigUnavailable("no free 10.x.0.0/16 range left for another engine")
    network = EngineNetwork(f"slw{uuid.uuid4().hex[:8]}", octet)
    _ip("link", "add", "name", network.bridge, "type", "bridge")
    _ip("addr", "add", f"{network.prefix}0.1/24", "dev", network.bridge)
    _ip("link", "set", network.bridge, "up")
    return network


def remove_network(network: EngineNetwork) -> None:
    """Removes the bridges inside our range and the packet filter rules about them; call it under the lock."""
    bridges = {network.bridge} | _bridges_of(network)
    for bridge in bridges:
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", bridge)
    for table in ("filter", "nat"):
        listed = _iptables(table, "-S").stdout.splitlines()
        for rule in listed:
            words = rule.split()
            if words[0] == "-A" and (bridges & set(words) or any(word.startswith(network.prefix) for word in words)):
                _iptables(table, "-D", *words[1:])


def _bridges_of(network: EngineNetwork) -> set[str]:
    lines = subprocess.run(
        [program("busybox"), "ip", "-o", "-4", "addr"], capture_output=True, text=True, timeout=10, check=True
    ).stdout.splitlines()
    rows = [line.split() for line in lines]
    return {row[1] for row in rows if len(row) > 3 and row[3].startswith(network.prefix)}


def _ip(*arguments: str) -> None:
    subprocess.run([program("busybox"), "ip", *arguments], check=True, capture_output=True, timeout=10)


def _iptables(table: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program("iptables"), "-w", "10", "-t", table, *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
