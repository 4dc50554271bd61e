"""The engine's stats documents into samples: processor, memory without page cache, network and blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.stats import CpuTimes, Reading, Sample, is_fresh, lease, sample
from local_runtime.engine.samples import memory_used, reading

SECOND = 1_000_000_000
NOON = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)


def document(**changes: Any) -> dict[str, Any]:
    """What the engine says of a container that used half a processor of four during the last second."""
    return {
        "read": "2026-03-18T12:00:00.5Z",
        "preread": "2026-03-18T11:59:59.5Z",
        "cpu_stats": {
            "cpu_usage": {"total_usage": 10 * SECOND + SECOND // 2, "percpu_usage": [1, 2, 3, 4]},
            "system_cpu_usage": 404 * SECOND,
            "online_cpus": 4,
        },
        "precpu_stats": {
            "cpu_usage": {"total_usage": 10 * SECOND},
            "system_cpu_usage": 400 * SECOND,
            "online_cpus": 4,
        },
        "memory_stats": {"usage": 1000, "limit": 4000, "stats": {"total_inactive_file": 200, "inactive_file": 900}},
        "networks": {"eth0": {"rx_bytes": 5, "tx_bytes": 7}, "eth1": {"rx_bytes": 10, "tx_bytes": 20}},
        "blkio_stats": {"io_service_bytes_recursive": [{"op": "Read", "value": 3}, {"op": "read", "value": 4}]},
        **changes,
    }


def read(**changes: Any) -> Reading:
    found = reading(document(**changes))
    assert found is not None
    return found


def test_the_first_sample_has_its_processor_share_from_the_engines_own_second() -> None:
    assert sample(read()).cpu_percent == 50.0


def test_later_samples_are_over_the_time_since_the_one_before() -> None:
    before = read()
    usage = {
        "cpu_usage": {"total_usage": 30 * SECOND + SECOND // 2},
        "system_cpu_usage": 444 * SECOND,
        "online_cpus": 4,
    }
    later = read(read="2026-03-18T12:00:10.5Z", cpu_stats=usage)
    assert sample(later, before).cpu_percent == 200.0


def test_without_the_hosts_meter_the_clock_tells() -> None:
    before = CpuTimes(0, None, 2)
    now = Reading(NOON + timedelta(seconds=10), CpuTimes(5 * SECOND, None, 2), 0, 0, 0, 0, 0, 0)
    earlier = Reading(NOON, before, 0, 0, 0, 0, 0, 0)
    assert sample(now, earlier).cpu_percent == 50.0


def test_a_restarted_container_is_measured_anew() -> None:
    before = read()
    usage = {"cpu_usage": {"total_usage": SECOND}, "system_cpu_usage": 444 * SECOND, "online_cpus": 4}
    restarted = read(read="2026-03-18T12:00:10Z", cpu_stats=usage, preread="0001-01-01T00:00:00Z", precpu_stats={})
    assert sample(restarted, before).cpu_percent == 0.0


def test_page_cache_does_not_count_as_memory_in_use() -> None:
    assert memory_used({"usage": 1000, "stats": {"total_inactive_file": 200, "inactive_file": 900}}) == 800
    assert memory_used({"usage": 1000, "stats": {"inactive_file": 300}}) == 700
    assert memory_used({"usage": 1000, "stats": {"inactive_file": 2000}}) == 1000
    assert memory_used({"usage": 1000}) == 1000


def test_memory_without_a_limit_has_no_percentage() -> None:
    assert sample(read(memory_stats={"usage": 10})).memory_percent == 0.0
    assert sample(read()).memory_percent == 20.0


def test_networks_and_blocks_are_sums_and_may_be_absent() -> None:
    found = sample(read())
    assert (found.received, found.sent, found.block_read, found.block_written) == (15, 27, 7, 0)
    bare = sample(read(networks=None, blkio_stats={"io_service_bytes_recursive": None}))
    assert (bare.received, bare.sent, bare.block_read) == (0, 0, 0)


def test_the_zeros_of_a_stopped_container_are_no_reading() -> None:
    assert reading(document(read="0001-01-01T00:00:00Z")) is None


@pytest.mark.parametrize(("seconds", "fresh"), [(0, True), (39, True), (41, False)])
def test_a_sample_goes_stale(seconds: int, fresh: bool) -> None:
    one = Sample(NOON, 1.0, 1, 1, 0, 0, 0, 0)
    assert is_fresh(one, NOON + timedelta(seconds=seconds), timedelta(seconds=10)) is fresh
    assert lease(timedelta(seconds=2)) == timedelta(seconds=15)
