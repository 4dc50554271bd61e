"""What a fleet uses together, as the API shows it."""

from __future__ import annotations

from typing import Any

from chalicelib.domain.usage import Sampled, Usage
from chalicelib.wire import moment

Json = dict[str, Any]


def write(usage: Usage) -> Json:
    """The sums, and the containers that use most."""
    at = {} if usage.at is None else {"timestamp": moment.write(usage.at)}
    return at | {
        "watchedCount": usage.containers,
        "avgCpuPercent": usage.cpu_percent,
        "totalMemoryUsageBytes": usage.memory_used,
        "totalMemoryLimitBytes": usage.memory_limit,
        "totalMemoryPercent": usage.memory_percent,
        "topCpu": [_row(one) for one in usage.most_cpu],
        "topMemory": [_row(one) for one in usage.most_memory],
    }


def _row(one: Sampled) -> Json:
    listing, sample = one
    return {
        "id": listing.id,
        "name": listing.identity.name,
        "cpuPercent": sample.cpu_percent,
        "memoryUsageBytes": sample.memory_used,
        "memoryPercent": sample.memory_percent,
    }
