"""Samples of containers, as the API shows them and as they are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.stats import Sample
from chalicelib.wire import json, moment


def write(container_id: str, sample: Sample) -> dict[str, Any]:
    """One snapshot."""
    return {
        "containerId": container_id,
        "cpuPercent": sample.cpu_percent,
        "memoryUsageBytes": sample.memory_used,
        "memoryLimitBytes": sample.memory_limit,
        "memoryPercent": sample.memory_percent,
        "networkRxBytes": sample.received,
        "networkTxBytes": sample.sent,
        "blockReadBytes": sample.block_read,
        "blockWriteBytes": sample.block_written,
        "timestamp": moment.write(sample.at),
    }


def event(name: str, data: Mapping[str, Any], *, id: str = "") -> bytes:
    """One server-sent event."""
    head = f"id: {id}\n" if id else ""
    return f"{head}event: {name}\ndata: ".encode() + json.dumps(data) + b"\n\n"


def pack(sample: Sample) -> list[float | int]:
    """A sample as it is stored: milliseconds since 1970, then the meters."""
    return [
        round(sample.at.timestamp() * 1000),
        sample.cpu_percent,
        sample.memory_used,
        sample.memory_limit,
        sample.received,
        sample.sent,
        sample.block_read,
        sample.block_written,
    ]


def unpack(stored: Sequence[Any]) -> Sample:
    """The sample that was stored so."""
    milliseconds, cpu, *meters = stored
    return Sample(datetime.fromtimestamp(milliseconds / 1000, UTC), cpu, *meters)
