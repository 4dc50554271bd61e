"""Samples and large answers in memory, and an engine's meters that a test turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from chalicelib.domain.container import Identity
from chalicelib.domain.stats import Sample
from chalicelib.ports.observation import Armed, ArmedFleet


class FakeSamples:
    """The SampleStore port; `writes` counts the leases that were written."""

    def __init__(self) -> None:
        self.writes = 0
        self.until: dict[tuple[str, str | None], datetime] = {}
        self.samples: dict[Identity, tuple[Sample, ...]] = {}
        self.latest: dict[str, Mapping[str, Sample]] = {}

    def one(self, identity: Identity, within: float = 0) -> Armed:
        return Armed(self.until.get((identity.agent, identity.key)), self.samples.get(identity, ()))

    def fleet(self, agent: str) -> ArmedFleet:
        return ArmedFleet(self.until.get((agent, None)), self.latest.get(agent, {}))

    def arm(self, agent: str, key: str | None, seen: datetime | None, until: datetime) -> bool:
        if self.until.get((agent, key)) != seen:
            return False
        self.writes += 1
        self.until[agent, key] = until
        return True

    def armed(self, agent: str, now: datetime) -> tuple[set[str], bool]:
        keys = {key for (owner, key), until in self.until.items() if owner == agent and until > now}
        return {key for key in keys if key is not None}, None in keys

    def put(self, identity: Identity, samples: Sequence[Sample], now: datetime) -> None:
        self.samples[identity] = tuple(samples)

    def put_fleet(self, agent: str, latest: Mapping[str, Sample], now: datetime) -> None:
        self.latest[agent] = dict(latest)
