"""Where what executors see passes through on its way to whoever asked: large answers, and samples of containers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from chalicelib.domain.container import Identity
from chalicelib.domain.stats import Sample


class ResultStore(Protocol):
    """Answers too large for a command's own item; each is read once, and expires when it is not."""

    def put(self, agent: str, command_id: str, data: bytes, now: datetime) -> int:
        """Store it in pieces; how many there are. Doing so again replaces it."""
        ...

    def take(self, agent: str, command_id: str, pieces: int) -> bytes:
        """Read it and delete it. Raises NotFound when it has expired or was read before."""
        ...


@dataclass(frozen=True, slots=True)
class Armed:
    """What is stored of one container: until when it is to be sampled, and its samples, oldest first."""

    until: datetime | None = None
    samples: Sequence[Sample] = ()


@dataclass(frozen=True, slots=True)
class ArmedFleet:
    """The same for all containers of an agent together, of each the latest sample only."""

    until: datetime | None = None
    latest: Mapping[str, Sample] = field(default_factory=dict)
    """By key of the identity."""


class SampleStore(Protocol):
    """Samples of containers, written by their executor only while somebody asks for them."""

    def one(self, identity: Identity, within: float = 0) -> Armed:
        """One container's samples; those read up to `within` seconds ago will do."""
        ...

    def fleet(self, agent: str) -> ArmedFleet:
        """The latest samples of an agent's containers."""
        ...

    def arm(self, agent: str, key: str | None, seen: datetime | None, until: datetime) -> bool:
        """Have one container (or, without a key, all of the agent) sampled until then.

        False when somebody else has done so since `seen` was read; then nothing is written.
        """
        ...

    def armed(self, agent: str, now: datetime) -> tuple[set[str], bool]:
        """The keys that are to be sampled now, and whether all are."""
        ...

    def put(self, identity: Identity, samples: Sequence[Sample], now: datetime) -> None:
        """Replace one container's samples; until when it is armed stays as it is."""
        ...

    def put_fleet(self, agent: str, latest: Mapping[str, Sample], now: datetime) -> None:
        """Replace the latest samples of an agent's containers."""
        ...
