"""Slipway's own log: what is kept of it, and what of that is shown."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.errors import Invalid
from chalicelib.domain.log_entry import EntryQuery, LogEntry
from chalicelib.wire import log_ring as wire

NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)


def entry(number: int, level: str = "info", component: str = "http") -> LogEntry:
    return LogEntry(NOON + timedelta(seconds=number), level, component, f"message {number}", "here", number)


def test_the_newest_lines_are_kept_without_tracebacks() -> None:
    ring = wire.LogRing()
    log = logging.Logger("local_runtime.executor.worker")
    log.addHandler(ring)
    for number in range(wire.KEPT + 5):
        log.info("line %d", number)
    try:
        raise RuntimeError("a secret detail")
    except RuntimeError:
        log.exception("it failed")
    kept = ring.entries()
    assert len(kept) == wire.KEPT
    assert [one.message for one in kept[-2:]] == [f"line {wire.KEPT + 4}", "it failed"]
    assert (kept[-1].level, kept[-1].component) == ("error", "executor.worker")
    assert len({(one.source, one.number) for one in kept}) == wire.KEPT


def test_a_line_that_quotes_a_password_is_kept_without_it() -> None:
    ring = wire.LogRing()
    log = logging.Logger("library")
    log.addHandler(ring)
    log.warning("retrying %s with %s", "https://ada:s3cret@hub.test/v2/", "TOKEN=s3cret")
    assert [one.message for one in ring.entries()] == ["retrying https://***@hub.test/v2/ with TOKEN=***"]


def test_entries_are_chosen_by_level_component_time_and_number() -> None:
    entries = [entry(3, "error"), entry(1, "debug"), entry(2, "warn", "executor.worker"), entry(4, "info", "executors")]

    def numbers(query: EntryQuery) -> list[int]:
        return [one.number for one in query.choose(entries)]

    assert numbers(EntryQuery()) == [1, 2, 3, 4]
    assert numbers(EntryQuery(level="warn")) == [2, 3]
    assert numbers(EntryQuery(component="executor")) == [2]
    assert numbers(EntryQuery(since=NOON + timedelta(seconds=2))) == [3, 4]
    assert numbers(EntryQuery(tail=1)) == [4]
    assert numbers(EntryQuery(tail=0)) == []


def test_a_query_that_cannot_be_is_refused() -> None:
    asked = {"level": ["WARN"], "component": ["executor"], "tail": ["5"]}
    assert wire.query(asked) == EntryQuery("warn", "executor", None, 5)
    for wrong in ({"level": ["loud"]}, {"component": ["no such/thing"]}):
        with pytest.raises(Invalid):
            wire.query(wrong)


def test_an_entry_travels_in_a_result() -> None:
    assert wire.unpack(json.loads(json.dumps(wire.pack(entry(7))))) == entry(7)
    assert wire.write(entry(7)) == {
        "timestamp": "2026-03-18T12:00:07.000Z",
        "level": "info",
        "component": "http",
        "msg": "message 7",
    }
