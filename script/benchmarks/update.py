"""How long a service is down during an update, beside a bare docker stop and start of the same container."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chalicelib.domain.operation import Phase
from chalicelib.ports.engine import Engine
from tests.docker.executing import Executing, executing
from tests.docker.rig import docker_engine, image_registry
from tests.docker.site import CHECKED, Site, Subject
from tests.store_process import running_store

HEALTHY = CHECKED | {"Interval": 1_000_000_000}
ROUNDS = 30


@dataclass
class Measured:
    """Seconds, one of each per round: how long the service was down, and what of that lay between the two calls."""

    what: str
    down: list[float] = field(default_factory=list)
    between: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


class Timed:
    """An engine that notes when the last stop returned and when the next start was called."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.stopped = self.between = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stop(self, *arguments: Any, **options: Any) -> None:
        self._engine.stop(*arguments, **options)
        self.stopped = time.monotonic()

    def start(self, container: str) -> None:
        self.between = time.monotonic() - self.stopped
        self._engine.start(container)


def main() -> int:
    """Print medians and 95th percentiles, for a container that ends at once when it is told to stop.

    Each round does every one of them once, so that whatever else the machine does meets all alike. A container that is
    started for the first time is compared as well: that is what the engine itself takes for a replacement.
    """
    parser = argparse.ArgumentParser(prog="script/bench update", description=main.__doc__)
    parser.add_argument(
        "--rounds", "--runs", type=int, default=ROUNDS, help=f"how often each is done (default {ROUNDS})"
    )
    rounds = parser.parse_args().rounds
    bare, fresh = Measured("docker stop + docker start"), Measured("docker stop + first docker start")
    plain, checked = Measured("update"), Measured("update, health check every second")
    with docker_engine() as host, image_registry() as registry, tempfile.TemporaryDirectory() as folder:
        site = Site(host, registry, "bench")
        for tag in ("1", "2"):
            site.publish(tag)
        site.publish("checked", healthcheck=HEALTHY)
        host.http.post("/images/create", params={"fromImage": site.reference("2")}).raise_for_status()
        host.http.post("/images/create", params={"fromImage": site.reference("checked")}).raise_for_status()
        timed: list[Timed] = []

        def wrapped(engine: Engine) -> Timed:
            timed.append(Timed(engine))
            return timed[-1]

        with (
            running_store(Path(folder) / "store") as store,
            executing(site, store.url, Path(folder), wrap=wrapped, liveness_grace_ms=2000) as running,
        ):
            for number in range(-1, rounds):
                # The first round only warms up.
                kept = (bare, fresh, plain, checked) if number >= 0 else tuple(Measured("") for _ in range(4))
                by_hand(site, kept[0], lambda one: one.id)
                by_hand(site, kept[1], lambda one: made_beside(site, one))
                update(running, timed[0], kept[2], "2")
                update(running, timed[0], kept[3], "checked")
    for one in (bare, fresh, plain, checked):
        show(one)
    more = statistics.median(plain.down) / statistics.median(bare.down) - 1
    sys.stdout.write(f"an update takes {more * 100:+.1f} % of a bare stop and start\n")
    return 0


def by_hand(site: Site, kept: Measured, successor: Callable[[Subject], str]) -> None:
    """Somebody stops a container, and starts it or another one in its place."""
    subject = site.run("bench")
    started = successor(subject)
    since = time.time()
    site.host.api("POST", f"/containers/{subject.id}/stop")
    stopped = time.monotonic()
    between = time.monotonic() - stopped
    site.host.api("POST", f"/containers/{started}/start")
    kept.down.append(downtime(site, since))
    kept.between.append(between)
    site.remove("bench", "beside")


def made_beside(site: Site, subject: Subject) -> str:
    """A container like it that has not run yet, with the same volumes."""
    body = {"Image": site.reference("2"), "HostConfig": {"VolumesFrom": [subject.id]}}
    return str(site.host.api("POST", "/containers/create", params={"name": "beside"}, json=body)["Id"])


def update(running: Executing, timed: Timed, kept: Measured, tag: str) -> None:
    """Slipway moves it to that tag."""
    site = running.site
    subject = site.run("bench")
    since, began = time.time(), time.monotonic()
    operation = running.update(subject, tag)
    kept.whole.append(time.monotonic() - began)
    if operation.phase is not Phase.SUCCEEDED:
        raise SystemExit(f"the update failed: {operation.last_error}")
    kept.down.append(downtime(site, since))
    kept.between.append(timed.between)
    site.remove("bench")


def downtime(site: Site, since: float) -> float:
    """Seconds from the end of one process to the start of the next, as the engine's own events tell."""
    query = {"since": f"{since:.6f}", "until": f"{time.time():.6f}", "filters": '{"event": ["die", "start"]}'}
    lines = site.host.http.get("/events", params=query).raise_for_status().text.splitlines()
    at = {event["Action"]: event["timeNano"] for event in reversed([json.loads(line) for line in lines])}
    return float(at["start"] - at["die"]) / 1e9


def show(measured: Measured) -> None:
    """One line, in milliseconds."""
    sys.stdout.write(
        f"{measured.what:36} down {middle(measured.down)}   between the calls {middle(measured.between)}"
        + (f"   whole operation {middle(measured.whole)}" if measured.whole else "")
        + "\n"
    )


def middle(seconds: Sequence[float]) -> str:
    """Median and 95th percentile."""
    ordered = sorted(seconds)
    late = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return f"{statistics.median(ordered) * 1000:6.1f} ms (p95 {late * 1000:6.1f})"


if __name__ == "__main__":
    sys.exit(main())
