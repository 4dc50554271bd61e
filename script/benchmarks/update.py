"""How long a service is down during an update, beside a bare docker stop and start of the same container."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from chalicelib.domain.operation import Phase
from tests.docker.executing import Executing, executing
from tests.docker.rig import docker_engine, image_registry
from tests.docker.site import CHECKED, Site
from tests.store_process import running_store

HEALTHY = CHECKED | {"Interval": 1_000_000_000}


def main() -> int:
    """Print both as medians, for a container that ends at once when it is told to stop."""
    parser = argparse.ArgumentParser(prog="script/bench update", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=7, help="how often each is done; medians are printed (default 7)")
    runs = parser.parse_args().runs
    with docker_engine() as host, image_registry() as registry, tempfile.TemporaryDirectory() as folder:
        site = Site(host, registry, "bench")
        for tag in ("1", "2"):
            site.publish(tag)
        site.publish("checked", healthcheck=HEALTHY)
        host.http.post("/images/create", params={"fromImage": site.reference("2")}).raise_for_status()
        host.http.post("/images/create", params={"fromImage": site.reference("checked")}).raise_for_status()
        bare = [stop_and_start(site) for _ in range(runs)]
        with (
            running_store(Path(folder) / "store") as store,
            executing(site, store.url, Path(folder), liveness_grace_ms=2000) as running,
        ):
            plain = [update(running, site, "2") for _ in range(runs)]
            checked = [update(running, site, "checked") for _ in range(runs)]
    show("docker stop + docker start", [(down, down) for down in bare])
    show("update", plain)
    show("update, health check every second", checked)
    return 0


def stop_and_start(site: Site) -> float:
    """Seconds a container is down when somebody stops and starts it."""
    subject = site.run("bench")
    since = time.time()
    site.host.api("POST", f"/containers/{subject.id}/stop")
    site.host.api("POST", f"/containers/{subject.id}/start")
    down = downtime(site, since)
    site.remove("bench")
    return down


def update(running: Executing, site: Site, tag: str) -> tuple[float, float]:
    """Seconds the service was down, and seconds from the request to the end of the operation."""
    subject = site.run("bench")
    since, began = time.time(), time.monotonic()
    operation = running.update(subject, tag)
    took = time.monotonic() - began
    if operation.phase is not Phase.SUCCEEDED:
        raise SystemExit(f"the update failed: {operation.last_error}")
    down = downtime(site, since)
    site.remove("bench")
    return down, took


def downtime(site: Site, since: float) -> float:
    """Seconds from the end of one process to the start of the next, as the engine's own events tell."""
    query = {"since": f"{since:.6f}", "until": f"{time.time():.6f}", "filters": '{"event": ["die", "start"]}'}
    lines = site.host.http.get("/events", params=query).raise_for_status().text.splitlines()
    at = {event["Action"]: event["timeNano"] for event in reversed([json.loads(line) for line in lines])}
    return float(at["start"] - at["die"]) / 1e9


def show(what: str, measured: list[tuple[float, float]]) -> None:
    """One line: medians in milliseconds."""
    down, took = (statistics.median(one[part] for one in measured) * 1000 for part in (0, 1))
    total = "" if down == took else f"   whole operation {took:7.0f} ms"
    sys.stdout.write(f"{what:36} down {down:7.0f} ms{total}\n")


if __name__ == "__main__":
    sys.exit(main())
