"""What a fleet uses of its hosts together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from chalicelib.domain.fleet import Listing
from chalicelib.domain.stats import Sample

TOP = 5
"""How many of those that use most are named."""

Sampled = tuple[Listing, Sample]


@dataclass(frozen=True, slots=True)
class Usage:
    """Sums over the containers that were sampled lately; `at` is when the last of them was, absent without any.

    `cpu_percent` is of one processor and per container; limits are added up as the engine tells them, which for a
    container without a limit is its host's memory.
    """

    at: datetime | None
    containers: int
    cpu_percent: float
    memory_used: int
    memory_limit: int
    most_cpu: tuple[Sampled, ...]
    most_memory: tuple[Sampled, ...]

    @property
    def memory_percent(self) -> float:
        """Of all limits together; 0 without any."""
        return round(self.memory_used / self.memory_limit * 100, 2) if self.memory_limit > 0 else 0.0


def usage(sampled: Iterable[Sampled]) -> Usage:
    """What these containers use together, and which of them most; of those that use the same, by name."""
    found = sorted(sampled, key=lambda one: one[0].name_key)
    shares = [sample.cpu_percent for _, sample in found]
    return Usage(
        at=max((sample.at for _, sample in found), default=None),
        containers=len(found),
        cpu_percent=round(sum(shares) / len(shares), 2) if shares else 0.0,
        memory_used=sum(sample.memory_used for _, sample in found),
        memory_limit=sum(sample.memory_limit for _, sample in found),
        most_cpu=tuple(sorted(found, key=lambda one: one[1].cpu_percent, reverse=True)[:TOP]),
        most_memory=tuple(sorted(found, key=lambda one: one[1].memory_used, reverse=True)[:TOP]),
    )
