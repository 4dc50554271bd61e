"""When a watcher scans of its own accord: cron, jitter, maintenance windows, and what it tells of its progress."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from local_runtime.executor.schedule import Schedule, Timetable
from local_runtime.executor.watching.progress import Progress
from local_runtime.executor.window import Window
from tests.fakes.services import StillClock

NIGHT = "* 2-3 * * *"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "zone", "now", "is_open"),
    [
        (None, "UTC", "2026-03-18T12:00:00", True),
        (NIGHT, "UTC", "2026-03-18T02:00:00", True),
        (NIGHT, "UTC", "2026-03-18T03:59:59", True),
        (NIGHT, "UTC", "2026-03-18T04:00:00", False),
        (NIGHT, "UTC", "2026-03-18T01:59:59", False),
        (NIGHT, "Europe/Berlin", "2026-03-18T01:30:00", True),
        (NIGHT, "Europe/Berlin", "2026-03-18T03:00:00", False),
        (NIGHT, "Europe/Berlin", "2026-07-18T00:30:00", True),
        (NIGHT, "Asia/Kolkata", "2026-03-17T20:30:30", True),
        # The night on which this hour comes twice: it is the window both times.
        (NIGHT, "Europe/Berlin", "2026-10-25T00:30:00", True),
        (NIGHT, "Europe/Berlin", "2026-10-25T01:30:00", True),
        # The night on which it is skipped: three o'clock is there.
        (NIGHT, "Europe/Berlin", "2026-03-29T01:30:00", True),
        ("* * * * 6", "UTC", "2026-03-21T12:00:00", True),
        ("* * * * 6", "UTC", "2026-03-20T12:00:00", False),
        ("* * 29 2 *", "UTC", "2027-02-28T12:00:00", False),
    ],
)
def test_a_window_is_open_in_the_minutes_it_names(expression: str | None, zone: str, now: str, is_open: bool) -> None:
    assert Window(expression, zone).is_open(at(now)) is is_open


def test_a_window_tells_when_it_opens() -> None:
    assert Window(NIGHT, "Europe/Berlin").opens(at("2026-03-18T12:00:00")) == at("2026-03-19T01:00:00")
    assert Window(None).opens(at("2026-03-18T12:00:00")) is None


def test_a_window_of_single_minutes_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    Window("0 2-3 * * *")
    assert "single minutes only" in caplog.text
    caplog.clear()
    Window(NIGHT)
    assert caplog.text == ""


def schedule(clock: StillClock, cron: str = "0 * * * *", jitter_ms: int = 0, window: str | None = None) -> Schedule:
    return Schedule(Timetable("watcher local", "CRON", cron, jitter_ms, window=Window(window)), clock, lambda: 0)


def test_a_scan_is_due_when_its_expression_says() -> None:
    clock = StillClock(at("2026-03-18T12:20:00"))
    due = schedule(clock).next_due()
    assert due == at("2026-03-18T13:00:00")
    clock.at = at("2026-03-18T12:59:30")
    assert schedule(clock).pause(due, owed=False) == 30
    clock.at = due
    assert schedule(clock).pause(due, owed=False) == 0


def test_the_clock_is_looked_at_every_minute_lest_a_machine_that_slept_is_late() -> None:
    clock = StillClock(at("2026-03-18T12:20:00"))
    planned = schedule(clock)
    assert planned.pause(planned.next_due(), owed=False) == 60


def test_chance_delays_a_scan_by_no_more_than_its_jitter() -> None:
    clock = StillClock(at("2026-03-18T12:20:00"))
    delays = [schedule(clock, jitter_ms=60_000).next_due() - at("2026-03-18T13:00:00") for _ in range(200)]
    assert timedelta(0) <= min(delays) and max(delays) <= timedelta(minutes=1)
    assert len(set(delays)) > 100


def test_what_falls_due_outside_the_window_waits_until_it_opens() -> None:
    clock = StillClock(at("2026-03-18T13:00:00"))
    planned = schedule(clock, window=NIGHT)
    due = clock.now()
    assert planned.pause(due, owed=False) == 60
    clock.at = at("2026-03-19T02:00:00")
    assert planned.pause(due, owed=False) == 0


def test_what_is_owed_since_the_start_is_done_as_soon_as_the_window_opens() -> None:
    clock = StillClock(at("2026-03-18T01:59:00"))
    planned = schedule(clock, cron="0 12 * * *", window=NIGHT)
    due = planned.next_due()
    assert planned.pause(due, owed=True) == 60
    clock.sleep(60)
    assert planned.pause(due, owed=True) == 0
    assert planned.pause(due, owed=False) > 0


def test_the_next_scan_is_announced_for_when_the_window_opens() -> None:
    clock = StillClock(at("2026-03-18T12:20:00"))
    heard: list[datetime | None] = []
    table = Timetable("watcher local", "CRON", "0 * * * *", 0, window=Window(NIGHT))
    planned = Schedule(table, clock, lambda: 0, heard.append)
    planned._announce(planned.next_due(), owed=False)
    assert heard == [at("2026-03-19T02:00:00")]


def test_progress_tells_of_the_running_cycle_and_then_of_the_last() -> None:
    clock = StillClock(at("2026-03-18T12:00:00"))
    progress = Progress("local", clock)
    told: list[int] = []
    progress.changed = lambda: told.append(1)
    assert progress.facts() == {}
    progress.begin()
    progress.expect(2)
    progress.step(failed=True)
    assert progress.facts() == {
        "running": True,
        "checked": 1,
        "total": 2,
        "errors": 1,
        "startedAt": "2026-03-18T12:00:00.000+00:00",
    }
    clock.sleep(3)
    progress.end(None)
    progress.next_run(at("2026-03-18T13:00:00"))
    assert progress.facts() == {
        "running": False,
        "lastRunAt": "2026-03-18T12:00:03.000+00:00",
        "lastDurationMs": 3000,
        "lastChecked": 1,
        "lastErrors": 1,
        "nextRunAt": "2026-03-18T13:00:00.000+00:00",
    }
    assert len(told) == 5


def test_a_cycle_that_failed_leaves_what_the_one_before_counted() -> None:
    clock = StillClock()
    progress = Progress("local", clock)
    for problem in (None, "the engine does not answer"):
        progress.begin()
        progress.expect(1)
        if problem is None:
            progress.step(failed=False)
        progress.end(problem)
    assert (progress.facts()["lastChecked"], progress.facts()["running"]) == (1, False)


def test_a_long_cycle_leaves_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock = StillClock()
    progress = Progress("local", clock)
    with caplog.at_level("INFO"):
        progress.begin()
        progress.expect(100)
        for _ in range(100):
            clock.sleep(0.5)
            progress.step(failed=False)
        progress.end(None)
    lines = [record.message for record in caplog.records]
    assert lines[0].endswith("checking 100 containers") and lines[-1].endswith("checked in 50.0 s, 0 with errors")
    assert [line for line in lines if " of 100 " in line] == [
        f"watcher local: {count} of 100 containers checked" for count in (20, 40, 60, 80, 100)
    ]
