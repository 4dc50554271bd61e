"""Owns the reading of the engine's stats documents, under control groups of version 1 and 2 alike; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.stats import CpuTimes, Reading

Document = Mapping[str, Any]


def reading(document: Document) -> Reading | None:
    """The meters in a stats document; None for that of a container that does not run, which is all zeros."""
    at = _moment(document.get("read"))
    if at is None:
        return None
    memory = document.get("memory_stats") or {}
    networks = (document.get("networks") or {}).values()
    blocks = (document.get("blkio_stats") or {}).get("io_service_bytes_recursive") or ()
    return Reading(
        at=at,
        cpu=_cpu(document.get("cpu_stats") or {}),
        memory_used=memory_used(memory),
        memory_limit=_count(memory.get("limit")),
        received=sum(_count(one.get("rx_bytes")) for one in networks),
        sent=sum(_count(one.get("tx_bytes")) for one in networks),
        block_read=_blocks(blocks, "read"),
        block_written=_blocks(blocks, "write"),
        earlier_cpu=_earlier(document),
    )


def memory_used(memory: Document) -> int:
    """Bytes in use without inactive page cache, which is how `docker stats` counts: by v1's name, else by v2's."""
    usage = _count(memory.get("usage"))
    stats = memory.get("stats") or {}
    inactive = _count(stats.get("total_inactive_file", stats.get("inactive_file")))
    return usage - inactive if inactive < usage else usage


def _earlier(document: Document) -> CpuTimes | None:
    before = document.get("precpu_stats") or {}
    if _moment(document.get("preread")) is None or not before.get("system_cpu_usage"):
        return None
    return _cpu(before)


def _cpu(stats: Document) -> CpuTimes:
    usage = stats.get("cpu_usage") or {}
    host = stats.get("system_cpu_usage")
    return CpuTimes(
        container=_count(usage.get("total_usage")),
        host=int(host) if host else None,
        cpus=_count(stats.get("online_cpus")) or len(usage.get("percpu_usage") or ()) or 1,
    )


def _blocks(entries: Iterable[Document], operation: str) -> int:
    return sum(_count(one.get("value")) for one in entries if str(one.get("op", "")).lower() == operation)


def _count(value: Any) -> int:
    return max(0, int(value or 0))


def _moment(text: Any) -> datetime | None:
    """A time of the engine's; the year 1 is how it writes that there is none."""
    if not text or str(text).startswith("0001-"):
        return None
    moment = datetime.fromisoformat(str(text))
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
