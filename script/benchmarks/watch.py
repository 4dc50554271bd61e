"""What a detection cycle costs at 10, 200 and 1,000 containers on a real registry: time, requests, peak memory."""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from chalicelib.adapters.clock import SystemClock  # noqa: E402
from chalicelib.adapters.patterns import Re2Patterns  # noqa: E402
from chalicelib.adapters.registry.registries import Registries  # noqa: E402
from chalicelib.domain.container import Container  # noqa: E402
from chalicelib.usecases.detect import detect  # noqa: E402
from tests.builders.detection import a_container  # noqa: E402
from tests.docker.registry import Access, ImageRegistry, image_registry  # noqa: E402

SIZES = (10, 200, 1000)
REPOSITORIES = 100
TAGS = tuple(f"1.{number}" for number in range(12))
RUNNING = "1.9"
PARALLEL = 10
CYCLES = ("first", "second")
KINDS = ("tag lists", "HEAD", "manifests", "configs")


def main() -> None:
    """Measure and print; with `--measure` be one agent, in a process of its own so that its memory is its own."""
    parser = argparse.ArgumentParser(prog="script/bench watch", description=__doc__)
    parser.add_argument("--measure", nargs=3, metavar=("SIZE", "ADDRESS", "DIGEST"), help=argparse.SUPPRESS)
    measure = parser.parse_args().measure
    if measure:
        _agent(int(measure[0]), measure[1], measure[2])
        return
    table = Table(title=f"One agent, {PARALLEL} checks at a time, {REPOSITORIES} repositories of {len(TAGS)} tags")
    for heading in ("containers", "repositories", "cycle", "s", *KINDS, "peak MB"):
        table.add_column(heading, justify="left" if heading == "cycle" else "right")
    with image_registry() as place:
        digest = _fill(place)
        for size in SIZES:
            for name, found, asked in _measured(place, size, digest):
                counts = [str(count) for count in _counts(asked)]
                repositories = str(min(size, REPOSITORIES))
                table.add_row(str(size), repositories, name, f"{found['s']:.2f}", *counts, f"{found['megabytes']:.0f}")
    Console().print(table)


def _fill(place: ImageRegistry) -> str:
    digest = ""
    for number in range(REPOSITORIES):
        repository = f"bench/app{number}"
        digest = place.push_image(repository, RUNNING)
        media_type = place.manifest(repository, digest).headers["Content-Type"]
        content = place.manifest(repository, digest).content
        for tag in TAGS:
            place.put_manifest(repository, tag, media_type, content)
    return digest


def _measured(place: ImageRegistry, size: int, digest: str) -> Iterator[tuple[str, dict[str, float], list[Access]]]:
    command = [sys.executable, "-P", __file__, "--measure", str(size), place.address, digest]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
        assert agent.stdin and agent.stdout
        for name in CYCLES:
            mark = len(place.access_log())
            agent.stdin.write("go\n")
            agent.stdin.flush()
            yield name, json.loads(agent.stdout.readline()), place.requests_since(mark)


def _agent(size: int, address: str, digest: str) -> None:
    """Runs a cycle for each line that arrives, and answers with its time and the peak of memory so far."""
    containers = [
        a_container(f"{address}/bench/app{number % REPOSITORIES}:{RUNNING}", repo_digests=[digest])
        for number in range(size)
    ]
    registries = Registries({}, SystemClock())
    for _ in sys.stdin:
        before = time.perf_counter()
        _cycle(registries, containers)
        seconds = time.perf_counter() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"s": seconds, "megabytes": peak}), flush=True)
    registries.close()


def _counts(asked: Sequence[Access]) -> list[int]:
    kinds = {
        "tag lists": [access for access in asked if "/tags/list" in access.path],
        "HEAD": [access for access in asked if access.method == "HEAD"],
        "manifests": [access for access in asked if access.method == "GET" and "/manifests/" in access.path],
        "configs": [access for access in asked if "/blobs/" in access.path],
    }
    return [len(kinds[kind]) for kind in KINDS]


def _cycle(registries: Registries, containers: Sequence[Container]) -> None:
    registry, patterns, now = registries.cycle(), Re2Patterns(), datetime.now(UTC)
    with ThreadPoolExecutor(PARALLEL) as workers:
        checks = [workers.submit(detect, found, registry, compile=patterns, now=now) for found in containers]
        errors = [check.result().error for check in checks if check.result().error]
    if errors:
        raise SystemExit(f"{len(errors)} checks failed, the first with: {errors[0]}")


if __name__ == "__main__":
    main()
