"""What a whole scan costs an executor with 10, 200 and 1,000 containers: engine, registry and store, in seconds."""

from __future__ import annotations

import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from chalicelib.bootstrap import Services  # noqa: E402
from chalicelib.config import load  # noqa: E402
from chalicelib.domain.agent import Agent  # noqa: E402
from chalicelib.settings_watchers import WatcherSettings  # noqa: E402
from local_runtime.executor.busy import Busy  # noqa: E402
from local_runtime.executor.station import tools_of  # noqa: E402
from local_runtime.executor.watching.checks import Checks  # noqa: E402
from local_runtime.executor.watching.watcher import Watcher  # noqa: E402
from tests.docker.registry import Access, ImageRegistry, image_registry  # noqa: E402
from tests.fakes.engine import FakeEngine  # noqa: E402
from tests.store_process import running_store  # noqa: E402

SIZES = (10, 200, 1000)
REPOSITORIES = 100
FLEETS = ("alone", "in a fleet")
CYCLES = ("first", "by hand", "by the clock")


def main() -> None:
    """Measure and print. The engine is one in memory; registry and store are processes of their own."""
    table = Table(title=f"One scan, {REPOSITORIES} repositories; an agent in a fleet shares answers through the store")
    for heading in ("containers", "agent", "cycle", "s", "engine calls", "image inspects", "registry requests"):
        table.add_column(heading, justify="left" if heading in ("agent", "cycle") else "right")
    with image_registry() as place, tempfile.TemporaryDirectory() as folder, running_store(Path(folder)) as store:
        references = [_pushed(place, number) for number in range(REPOSITORIES)]
        services = Services(load({"AWS_ENDPOINT_URL": store.url}))
        for fleet in FLEETS:
            for size in SIZES:
                for row in _measured(services, place, references, size, fleet):
                    table.add_row(*row)
    Console(width=120).print(table)


def _pushed(place: ImageRegistry, number: int) -> tuple[str, str]:
    repository = f"scan/app{number}"
    return place.reference(repository, "1.9"), place.push_image(repository, "1.9")


def _measured(
    services: Services, place: ImageRegistry, references: Sequence[tuple[str, str]], size: int, fleet: str
) -> list[list[str]]:
    now = services.clock.now()
    name = f"bench-{fleet.replace(' ', '-')}-{size}"
    for agent in services.agents.all():
        services.agents.report(Agent(agent.name), now.replace(year=2020))
    for agent_name in (name, "bench-other") if fleet != FLEETS[0] else (name,):
        services.agents.report(Agent(agent_name), now)
    engine = _engine(references, size)
    checks = Checks(services)
    watcher = Watcher(name, WatcherSettings("local"), engine, tools_of(services, checks.of, Busy()))
    rows = []
    for cycle in CYCLES:
        mark, calls = len(place.access_log()), len(engine.calls)
        before = time.perf_counter()
        since = services.clock.now() if cycle != CYCLES[-1] else None
        assert watcher.scan(since=since) == size
        seconds = time.perf_counter() - before
        made = Counter(method for method, _ in engine.calls[calls:])
        asked: list[Access] = place.requests_since(mark)
        counts: list[Any] = [sum(made.values()), made["image"], len(asked)]
        rows.append([str(size), fleet, cycle, f"{seconds:.2f}", *map(str, counts)])
    checks.stop()
    return rows


def _engine(references: Sequence[tuple[str, str]], size: int) -> FakeEngine:
    engine = FakeEngine()
    for reference, digest in references:
        engine.add_image(reference, digests={f"{reference.rpartition(':')[0]}@{digest}"})
    for number in range(size):
        engine.start(engine.create(f"web-{number}", {"Image": references[number % len(references)][0]}))
    return engine


if __name__ == "__main__":
    main()
