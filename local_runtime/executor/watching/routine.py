"""When a watcher scans of its own accord."""

from __future__ import annotations

from chalicelib.ports.clock import Clock
from local_runtime.executor.schedule import Schedule, Timetable
from local_runtime.executor.watching.watcher import Watcher
from local_runtime.executor.window import window


def schedule_of(watcher: Watcher, clock: Clock) -> Schedule:
    """At the start and by its settings, within its maintenance window; its progress tells when the next scan is due."""
    settings = watcher.settings
    open_minutes = window(settings.window, settings.window_zone)

    def scan() -> int:
        # Outside the window the first scan still tells what runs; the registries are left alone.
        return watcher.scan(ask=open_minutes.is_open(clock.now()))

    table = Timetable(
        name=f"watcher {settings.name}",
        variable=f"DD_WATCHER_{settings.name.upper()}_CRON",
        cron=settings.cron,
        jitter_ms=settings.jitter_ms,
        at_start=settings.watch_at_start,
        window=open_minutes,
    )
    return Schedule(table, clock, scan, watcher.progress.next_run)
