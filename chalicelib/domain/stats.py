"""What a container uses of its host: readings of the engine's meters, and the samples that two readings make."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

RETENTION = timedelta(hours=1)
HEARTBEAT = timedelta(seconds=15)
"""How often a stream says that it is still there."""


def lease(interval: timedelta) -> timedelta:
    """How long a container is sampled after somebody has asked for its stats."""
    return max(timedelta(seconds=15), 3 * interval)


def is_fresh(sample: Sample, now: datetime, interval: timedelta) -> bool:
    """Whether it still tells what the container uses now."""
    return now - sample.at < lease(interval) + interval


@dataclass(frozen=True, slots=True)
class CpuTimes:
    """Processor time in nanoseconds since the start: of the container, and of the whole host where it is known."""

    container: int
    host: int | None
    cpus: int


@dataclass(frozen=True, slots=True)
class Reading:
    """The engine's meters at one moment; bytes read, written, received and sent only ever grow."""

    at: datetime
    cpu: CpuTimes
    memory_used: int
    """Without the page cache that the kernel would give back at once, as `docker stats` counts."""
    memory_limit: int
    received: int
    sent: int
    block_read: int
    block_written: int
    earlier_cpu: CpuTimes | None = None
    """The processor's meters about a second before, when the engine gave them."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a container used at one moment; `cpu_percent` is of one processor, so it may exceed 100."""

    at: datetime
    cpu_percent: float
    memory_used: int
    memory_limit: int
    received: int
    sent: int
    block_read: int
    block_written: int

    @property
    def memory_percent(self) -> float:
        """Of its limit; 0 without one."""
        return round(self.memory_used / self.memory_limit * 100, 2) if self.memory_limit > 0 else 0.0


def sample(now: Reading, before: Reading | None = None) -> Sample:
    """The sample of a reading: its processor share since `before`, else over the second the engine itself measured."""
    share = 0.0
    if before is not None and before.cpu.container <= now.cpu.container and before.at < now.at:
        share = cpu_percent(now.cpu, before.cpu, now.at - before.at)
    elif now.earlier_cpu is not None:
        share = cpu_percent(now.cpu, now.earlier_cpu, None)
    return Sample(
        at=now.at,
        cpu_percent=share,
        memory_used=now.memory_used,
        memory_limit=now.memory_limit,
        received=now.received,
        sent=now.sent,
        block_read=now.block_read,
        block_written=now.block_written,
    )


def cpu_percent(now: CpuTimes, before: CpuTimes, elapsed: timedelta | None) -> float:
    """The share of one processor between two readings, in percent; 0 when a meter stood still or went back."""
    used = now.container - before.container
    if used <= 0:
        return 0.0
    if now.host is not None and before.host is not None and now.host > before.host:
        return round(used / (now.host - before.host) * now.cpus * 100, 2)
    if elapsed is not None and elapsed > timedelta(0):
        return round(used / (elapsed / timedelta(microseconds=1) * 1000) * 100, 2)
    return 0.0
